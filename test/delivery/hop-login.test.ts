import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createHmac } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { afterAll, expect, test } from 'vitest';
import { ScramClient } from '../../plugins/queue/smtp/sasl-clients.ts';
import { makePair } from '../tls/secure-server.ts';
import { hopWith, outlet } from './hop-closers.ts';
import { mailTo } from './mail-object.ts';
import type { Script } from './scripted-hop.ts';

const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-login-'));
afterAll(() => rmSync(folder, { recursive: true }));

function loginFile(text = 'user us=er\npassword sec,ret\n', mode = 0o600): string {
  const path = join(folder, `login-${Math.random()}`);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

const { certificate, key } = makePair('hop.test');
const tls = createSecureContext({ cert: certificate, key });
const base64 = (text: string): string => Buffer.from(text).toString('base64');

async function logIn(mechanisms: string, says: NonNullable<Script['says']>, text?: string) {
  const hop = await hopWith({ offers: ['STARTTLS', `AUTH ${mechanisms}`], tls, says });
  const out = outlet([hop], { loginFile: loginFile(text), tls: { level: 'required' } });
  const [outcome] = await out.deliver(mailTo(['a@d.example']));
  return { kind: outcome!.kind, lines: hop.lines, log: out.log.join('\n') };
}

test('PLAIN', async () => {
  const { kind, lines } = await logIn('PLAIN LOGIN', { AUTH: '235 2.7.0 welcome' });
  expect(kind).toBe('delivered');
  expect(lines).toContain(`AUTH PLAIN ${base64('\0us=er\0sec,ret')}`);
});

test('LOGIN', async () => {
  const { kind, lines } = await logIn('LOGIN', {
    AUTH: '334 VXNlcm5hbWU6',
    [base64('us=er').toUpperCase()]: '334 UGFzc3dvcmQ6',
    [base64('sec,ret').toUpperCase()]: '235 2.7.0 welcome',
  });
  expect(kind).toBe('delivered');
  expect(lines).toContain(base64('sec,ret'));
});

test('LOGIN without prompts, and consent without words', async () => {
  const { kind } = await logIn('LOGIN', {
    AUTH: '334',
    [base64('us=er').toUpperCase()]: '334 ',
    [base64('sec,ret').toUpperCase()]: '235',
  });
  expect(kind).toBe('delivered');
});

test('a hop that names itself by an empty line offers what stands behind it', async () => {
  const hop = await hopWith({ says: { EHLO: '250-\n250-PIPELINING\n250 SIZE 10', HELO: '500 no' } });
  const [outcome] = await outlet([hop]).deliver(mailTo(['a@d.example']));
  expect(outcome!.reply.status).toBe('5.3.4');
});

test('CRAM-MD5', async () => {
  const digest = createHmac('md5', 'sec,ret').update('<1.2@hop.test>').digest('hex');
  const answer = base64(`us=er ${digest}`);
  const { kind, lines } = await logIn('CRAM-MD5 PLAIN', {
    AUTH: `334 ${base64('<1.2@hop.test>')}`,
    [answer.toUpperCase()]: '235 welcome',
  });
  expect(lines).toContain(answer);
  expect(kind).toBe('delivered');
});

test('XOAUTH2, for tokens alone', async () => {
  const says = { AUTH: '235 welcome' };
  const { kind, lines } = await logIn('PLAIN XOAUTH2', says, 'user u\ntoken t0ken\n');
  expect(kind).toBe('delivered');
  expect(lines).toContain(`AUTH XOAUTH2 ${base64('user=u\u0001auth=Bearer t0ken\u0001\u0001')}`);
});

test('SCRAM-SHA-256 as RFC 7677 section 3 has it', async () => {
  const client = new ScramClient('user', 'pencil', 'rOprNGfwEbeRWgbNEkqO');
  expect(client.initial.toString()).toBe('n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
  const proof = await client.next(
    Buffer.from('r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'),
  );
  expect(proof.toString()).toBe(
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  );
  expect(() => client.finish()).toThrow('has not shown');
  await client.next(Buffer.from('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='));
  client.finish();
});

test.each(['r=short,s=QSXCR+Q6sek8bd92,i=4096', 'r=rOprNGx,s=QSXCR+Q6sek8bd92,i=1', 'nonsense'])(
  'SCRAM-SHA-256: %s is refused',
  async (challenge) => {
    const client = new ScramClient('user', 'pencil', 'rOprNG');
    await expect((async () => client.next(Buffer.from(challenge)))()).rejects.toThrow('broken');
  },
);

test('a hop that accepts SCRAM without showing that it knows the password is not trusted', async () => {
  const { kind, log } = await logIn('SCRAM-SHA-256', { AUTH: '235 welcome' });
  expect(kind).toBe('deferred');
  expect(log).toContain('has not shown');
});

test('a hop that shows something in place of a challenge is not trusted, and nothing is left to be caught', async () => {
  const { kind, log } = await logIn('SCRAM-SHA-256', { AUTH: `235 ${base64('v=nothing')}` });
  expect(kind).toBe('deferred');
  expect(log).toContain('a broken challenge');
});

test('a password that is refused, and a hop that offers no AUTH: deferred, and no secret in the log', async () => {
  const refused = await logIn('PLAIN', { AUTH: (given) => `535 5.7.8 no: ${given} is no sec,ret` });
  expect(refused.kind).toBe('deferred');
  const none = await logIn('', {});
  expect(none.log).toContain('no mechanism fits');
  for (const { log } of [refused, none]) expect(log).not.toMatch(/sec,ret|AHVz/);
});

test('in the clear no password is said, unless that is allowed', async () => {
  const hop = await hopWith({ offers: ['AUTH PLAIN'], says: { AUTH: '235 welcome' } });
  const tls = { level: 'opportunistic' } as const;
  const careful = outlet([hop], { loginFile: loginFile(), tls });
  expect((await careful.deliver(mailTo(['a@d.example'])))[0]!.kind).toBe('deferred');
  expect(hop.lines.join()).not.toContain('AUTH');
  const careless = outlet([hop], { loginFile: loginFile(), tls, allowsClearLogin: true });
  expect((await careless.deliver(mailTo(['a@d.example'])))[0]!.kind).toBe('delivered');
});

test.each([
  ['user u\npassword p\n', 0o640, 'chmod 600'],
  ['password p\n', 0o600, 'user NAME'],
  ['user u\n', 0o600, 'password SECRET'],
  ['user u\npassword hidden\ntoken t\n', 0o600, 'password SECRET'],
  ['user u\nsecret hidden\n', 0o600, 'line 2'],
])('the file %j with mode %o keeps the daemon from starting', (text, mode, reason) => {
  const open = (): unknown => outlet([], { loginFile: loginFile(text, mode) });
  expect(open).toThrow(reason);
  expect(open).not.toThrow('hidden');
});
