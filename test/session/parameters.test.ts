/** The parameters of MAIL and RCPT as plugins see them. RFC 5321 section 4.1.1.11. */

import { afterEach, describe, expect, test } from 'vitest';
import { definePlugin, ok, type Recipient } from '../../bindings/plugin/index.ts';
import type { MailOptions, RecipientOptions } from '../../bindings/plugin/connection.ts';
import { splitPathArgument } from '../../host/session/path-input.ts';
import { decodeUnicodeAddress, decodeAsciiXtext } from '../../bindings/wire/xtext.ts';
import { TestServer, type TestServerOptions } from '../../host/testing/index.ts';

const servers: TestServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

async function start(options: TestServerOptions = {}): Promise<TestServer> {
  const server = await TestServer.start({
    ...options,
    plugins: [...(options.plugins ?? []), 'rcpt_ok', witness],
    config: { rcpthosts: 'example.test', ...options.config },
  });
  servers.push(server);
  return server;
}

let seen: { mail: MailOptions; recipients: readonly Recipient[] } | undefined;

const witness = definePlugin({
  name: 'witness',
  about: 'Remembers what the envelope said.',
  hooks: {
    queue({ transaction }) {
      seen = { mail: transaction.mailOptions, recipients: transaction.recipients };
      return ok('seen');
    },
  },
});

async function send(server: TestServer, mail: string, ...recipients: readonly string[]) {
  const client = await server.greeted();
  for (const command of [`MAIL FROM:${mail}`, ...recipients.map((to) => `RCPT TO:${to}`)]) {
    expect(await client.say(Buffer.from(command).latin1Slice())).toMatch(/^250 /);
  }
  await client.say('BDAT 0 LAST');
  return seen!;
}

describe('what plugins are told', () => {
  test('nothing, if there were no parameters', async () => {
    const { mail, recipients } = await send(await start(), '<a@b.example>', '<u@example.test>');
    expect(mail).toEqual({
      size: undefined,
      body: '7bit',
      isUtf8: false,
      ret: undefined,
      envid: undefined,
      submitter: undefined,
      requireTls: false,
    });
    expect(recipients[0]!.options).toBeUndefined();
  });

  test('every parameter as a fact of its own', async () => {
    const { mail, recipients } = await send(
      await start(),
      '<grün@b.example> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb',
      '<u@example.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2B@Example.org',
      '<v@example.test> NOTIFY=NEVER ORCPT=utf-8;gr\\x{FC}n@example.org',
      '<müller@example.test>',
    );
    expect(mail).toMatchObject({ size: 10, body: '8bitmime', isUtf8: true, ret: 'hdrs', envid: 'a+b' });
    expect(recipients.map(({ options }) => options)).toEqual<(RecipientOptions | undefined)[]>([
      {
        notify: ['success', 'delay'],
        originalRecipient: { type: 'rfc822', address: 'Bob+@Example.org' },
      },
      { notify: ['never'], originalRecipient: { type: 'utf-8', address: 'grün@example.org' } },
      undefined,
    ]);
    expect(recipients[2]!.address.toString()).toBe('<müller@example.test>');
  });

  test('no facts of an earlier MAIL or RCPT', async () => {
    const server = await start();
    const client = await server.greeted();
    await client.say('MAIL FROM:<a@b.example> BODY=8BITMIME RET=FULL');
    await client.say('RCPT TO:<u@example.test> NOTIFY=NEVER');
    await client.say('MAIL FROM:<a@b.example>');
    await client.say('RCPT TO:<u@example.test>');
    await client.say('BDAT 0 LAST');
    expect(seen!.mail).toMatchObject({ body: '7bit', ret: undefined });
    expect(seen!.recipients[0]!.options).toBeUndefined();
  });

  test('with esmtp_parameters lenient, what could be understood', async () => {
    const server = await start({ config: { esmtp_parameters: 'lenient' } });
    const { mail, recipients } = await send(
      server,
      '<a@b.example> BODY=9BIT RET=FULL ENVID=+0A X=1',
      '<u@example.test> NOTIFY=DELAY ORCPT=nobody',
    );
    expect(mail).toMatchObject({ body: '7bit', ret: 'full', envid: undefined });
    expect(recipients[0]!.options).toEqual({ notify: ['delay'], originalRecipient: undefined });
    expect(recipients[0]!.parameters.get('orcpt')).toBe('nobody');
  });
});

describe('AUTH (RFC 4954 section 5)', () => {
  const anybody = definePlugin({
    name: 'anybody',
    about: 'Believes every password.',
    hooks: { 'auth-plain': () => ok() },
  });

  test('names the submitter, if the client has authenticated', async () => {
    const client = await (await start({ plugins: [anybody] })).greeted();
    const password = Buffer.from('\0user@example.test\0secret').toString('base64');
    expect(await client.say(`AUTH PLAIN ${password}`)).toMatch(/^235 /);
    for (const [value, submitter] of [
      ['e+2Bmc2@example.com', 'e+mc2@example.com'],
      ['<>', '<>'],
    ]) {
      await client.say(`MAIL FROM:<a@b.example> AUTH=${value}`);
      await client.say('RCPT TO:<u@example.test>');
      await client.say('BDAT 0 LAST');
      expect(seen!.mail.submitter).toBe(submitter);
    }
    expect(await client.say('MAIL FROM:<a@b.example> AUTH=a+0Ab')).toMatch(/^501 /);
    expect(await client.say('MAIL FROM:<a@b.example> AUTH')).toMatch(/^501 /);
  });

  test('is read and forgotten, if it has not: anybody could name anybody', async () => {
    const server = await start({ plugins: [anybody] });
    const { mail } = await send(server, '<a@b.example> AUTH=boss@example.test', '<u@example.test>');
    expect(mail.submitter).toBeUndefined();
  });
});

describe('parsers of plugins', () => {
  const parsed = definePlugin({
    name: 'parsed',
    about: 'Reads MAIL, RCPT, HELO and EHLO its own way.',
    hooks: {
      mail_parse: (_, line) =>
        line.startsWith('FOR ') ? ok([`<${line.slice(4)}>`, 'SIZE=7', 'x=y=z']) : undefined,
      rcpt_parse: async (_, line) => {
        await Promise.resolve();
        return line === 'nobody' ? { kind: 'verdict', code: 901, lines: [] } : undefined;
      },
      ehlo_parse: (_, line) => (line === '' ? ok(['nameless.example']) : undefined),
      helo_parse: () => ({ kind: 'verdict', code: 902, lines: ['in other words, please'] }),
    },
  });

  test('replace what the line says, or leave it as it is', async () => {
    const client = (await start({ plugins: [parsed] })).connect();
    await client.reply();
    expect(await client.say('EHLO')).toMatch(/^250-mx\.test /);
    expect(await client.say('MAIL FOR a@b.example')).toMatch(/^250 <a@b\.example>/);
    await client.say('RCPT TO:<u@example.test>');
    await client.say('BDAT 0 LAST');
    expect(seen!.mail.size).toBe(7);
    expect(await client.say('MAIL FOR a b')).toMatch(/^501 could not parse your mail/);
    expect(await client.say('MAIL FROM:<a@b.example>')).toMatch(/^250 <a@b\.example>/);
  });

  test('refuse with 501, in their words or in ours', async () => {
    const client = (await start({ plugins: [parsed] })).connect();
    await client.reply();
    expect(await client.say('HELO x')).toBe('501 in other words, please');
    expect(await client.say('EHLO x')).toMatch(/^250-/);
    expect(await client.say('RCPT nobody')).toBe('501 Syntax error in command');
    expect(await client.say('RCPT TO:<u@example.test>')).toBe('503 Use MAIL before RCPT');
  });
});

test('xtext decodes to printable ASCII or not at all (RFC 3461 section 4)', () => {
  expect(decodeAsciiXtext('a+2Bb+3D+20')).toBe('a+b= ');
  expect(decodeAsciiXtext('')).toBe('');
  for (const value of ['a+', 'a+2', 'a+2b', 'a=b', 'a b', '+0D+0A', '+7F', '+FF', 'ü']) {
    expect(decodeAsciiXtext(value), value).toBeUndefined();
  }
});

test('addresses of type utf-8 come in three encodings (RFC 6533 section 3)', () => {
  expect(decodeUnicodeAddress('gr\\x{FC}n+2B@\\x{1F4E7}.example', false)).toBe('grün+@📧.example');
  expect(decodeUnicodeAddress('grün@b.example', true)).toBe('grün@b.example');
  for (const value of [
    'grün@b',
    '\\x{D800}',
    '\\x{110000}',
    '\\x{0A}',
    '\\x{85}',
    '\\x{2028}',
    '\\x{}',
    '\\x{FC',
  ])
    expect(decodeUnicodeAddress(value, false), value).toBeUndefined();
});

test('a line of parameters alone is split once, from either side', () => {
  // With a search through the whole line for each of them this takes minutes.
  const many = 400_000;
  const words = Array.from({ length: many }, () => 'A=1').join(' ');
  const parameters = new Map([['a', '1']]);
  const expected = { path: '<a@b>', parameters, isRepeating: true };
  for (const grammar of ['strict', 'lenient'] as const)
    expect(splitPathArgument('mail', `FROM:<a@b> ${words}`, grammar)).toEqual(expected);
});
