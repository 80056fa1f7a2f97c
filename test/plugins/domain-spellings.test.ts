/** A domain is one domain to every list, however the client and the operator spell it. RFC 5890 section 2.3.2.1. */

import { describe, expect, test } from 'vitest';
import { RouteTable } from '../../bindings/lists/index.ts';
import { whitelistRecipients, type Outlet } from '../../bindings/plugin/index.ts';
import { routingKeyOf } from '../../plugins/queue/amqp/publication.ts';
import { namesAuthority } from '../../host/message/authentication-results.ts';
import badmailfrom from '../../plugins/badmailfrom.ts';
import badmailfromto from '../../plugins/badmailfromto.ts';
import badrcptto from '../../plugins/badrcptto.ts';
import greylisting from '../../plugins/greylisting/index.ts';
import helo from '../../plugins/helo.ts';
import karma from '../../plugins/karma/index.ts';
import rcptMap from '../../plugins/rcpt_map.ts';
import rcptOk from '../../plugins/rcpt_ok.ts';
import rcptRegexp from '../../plugins/rcpt_regexp.ts';
import smtpForward from '../../plugins/queue/smtp-forward.ts';
import userConfig from '../../plugins/user_config.ts';
import whitelist from '../../plugins/whitelist.ts';
import { memoryStores } from '../store/memory-backend.ts';
import { address, given, NO_PARAMETERS, words } from './plugin-context.ts';

/** As a client may write it, and as an operator may. */
const SPELLINGS = ['bücher.example', 'xn--bcher-kva.example', 'XN--Bcher-KVA.Example'] as const;
const LISTED = [...SPELLINGS, 'BÜCHER.example.'] as const;
const PAIRS = SPELLINGS.flatMap((client) => LISTED.map((listed) => ({ client, listed })));

describe.each(PAIRS)('$client in an address is $listed in a list', ({ client, listed }) => {
  const sender = address(`<a@${client}>`);

  test('of badmailfrom, alone and with a user', async () => {
    for (const entry of [`@${listed}`, `A@${listed}`]) {
      const { ask } = given(badmailfrom, { files: { badmailfrom: [entry] } });
      expect(words(await ask('mail', sender, NO_PARAMETERS))).toMatch(/^DENY/);
    }
  });

  test('of badrcptto and badmailfromto', async () => {
    const { ask } = given(badrcptto, { files: { badrcptto: [`a@${listed} gone`] } });
    expect(words(await ask('rcpt', sender, NO_PARAMETERS))).toMatch(/^DENY gone/);
    const pair = given(badmailfromto, { files: { badmailfromto: [`@${listed} b@${listed}`] } });
    await pair.ask('mail', sender, NO_PARAMETERS);
    pair.session.transaction = { ...pair.session.transaction, reversePath: sender };
    expect(words(await pair.ask('rcpt', address(`<b@${client}>`), NO_PARAMETERS))).toMatch(/^DENY/);
  });

  test('of rcpthosts, as it is and below a dot, and in me', async () => {
    const whole = given(rcptOk, { files: { rcpthosts: [listed] } });
    expect(words(await whole.ask('rcpt', sender, NO_PARAMETERS))).toBe('OK');
    const below = given(rcptOk, { files: { rcpthosts: [`.${listed}`] } });
    expect(words(await below.ask('rcpt', address(`<a@mx.${client}>`), NO_PARAMETERS))).toBe('OK');
    const own = given(rcptOk, { me: listed });
    expect(words(await own.ask('rcpt', sender, NO_PARAMETERS))).toBe('OK');
  });

  test('of whitelists', async () => {
    for (const entry of [listed, `a@${listed}`]) {
      const files = { whitelistsenders: [entry], whitelistrcpt: [entry] };
      const { ask } = given(whitelist, { files });
      expect(words(await ask('mail', sender, NO_PARAMETERS)), entry).toBe('OK');
      expect(words(await ask('rcpt', sender, NO_PARAMETERS)), entry).toBe('OK');
      const own = given(whitelist, { words: 'per_recipient 1', files: { whitelistrcpt: [entry] } });
      await own.ask('rcpt', sender, NO_PARAMETERS);
      own.session.transaction = {
        ...own.session.transaction,
        recipients: [{ address: sender, parameters: NO_PARAMETERS }],
      };
      await own.ask('data');
      expect(own.session.transaction.notes.get(whitelistRecipients), entry).toBe(1);
    }
    const { ask } = given(whitelist, { files: { whitelisthelo: [listed] } });
    expect(words(await ask('ehlo', client, []))).toBe('OK');
  });

  test('of rcpt_map and rcpt_regexp', async () => {
    const file = { lines: [`a@${listed} OK yes`], refresh: () => undefined };
    const files = { read: () => Promise.resolve(undefined), keep: () => file };
    // A line of plugins is ASCII.
    const domain = /^[!-~]+$/.test(listed) ? listed : 'xn--bcher-kva.example.';
    const map = given(rcptMap, { words: `domain ${domain} file /f`, services: { files } as never });
    expect(words(await map.ask('rcpt', sender, NO_PARAMETERS))).toBe('OK yes');
    const rules = given(rcptRegexp, { files: { rcpt_regexp: [`a@${listed} OK yes`] } });
    expect(words(await rules.ask('rcpt', sender, NO_PARAMETERS))).toBe('OK yes');
  });

  test('of routes', () => {
    const outlet: Outlet = { deliver: () => Promise.resolve([]) };
    for (const pattern of [listed, `a@${listed}`, `.example`]) {
      const lines = [{ text: `${pattern} hop x`, place: { file: 'routes', line: 1 } }];
      const table = RouteTable.parse(lines, { file: 'routes' }, () => outlet);
      expect(table.find(sender)?.pattern).toBe(pattern);
    }
  });

  test('of badhelo, also with a root dot behind it', async () => {
    const { ask } = given(helo, { files: { badhelo: [listed] } });
    for (const host of [client, `${client}.`]) expect(words(await ask('ehlo', host, []))).toMatch(/^DENY/);
  });
});

describe('patterns', () => {
  test.each(SPELLINGS)('see %s in U-labels and in A-labels', async (client) => {
    for (const pattern of ['.*@xn--bcher-kva\\.example$', '.*@bücher\\.example$']) {
      const list = given(badmailfrom, { files: { badmailfrom: [pattern] } });
      expect(words(await list.ask('mail', address(`<a@${client}>`), NO_PARAMETERS))).toMatch(/^DENY/);
      const names = given(helo, { files: { badhelo: [pattern.replace('.*@', '^')] } });
      expect(words(await names.ask('ehlo', client, []))).toMatch(/^DENY/);
      const rules = given(rcptRegexp, { files: { rcpt_regexp: [`/${pattern}/ DENY no`] } });
      expect(words(await rules.ask('rcpt', address(`<a@${client}>`), NO_PARAMETERS))).toBe('DENY no');
    }
  });
});

describe('a name without canonical form', () => {
  const long = `${'a.'.repeat(200)}example`;

  test.each(['１２７.1', long])('matches nothing and is no relay: %s', async (name) => {
    const asked: string[] = [];
    const maps = new Proxy({}, { get: (_, key) => (asked.push(String(key)), undefined) });
    const { ask, log } = given(rcptOk, {
      files: { rcpthosts: [name, '.example', '127.0.0.1'] },
      maps: { morercpthosts: maps },
    });
    // The start looks whether the database can be read at all.
    expect(asked.splice(0)).toEqual(['']);
    expect(words(await ask('rcpt', address(`<a@${name}>`), NO_PARAMETERS))).toBe(
      'DENY Relaying denied (#7.1)',
    );
    expect(asked).toEqual([]);
    expect(log.join()).toContain('matches nothing: there can be no such domain');
    const list = given(badmailfrom, { files: { badmailfrom: [`@${name}`, '@'] } });
    expect(words(await list.ask('mail', address(`<a@${name}>`), NO_PARAMETERS))).not.toMatch(/^DENY/);
    expect(list.log.join()).toContain('there can be no such domain');
  });

  test('is refused as a HELO name by whoever looks names up, without a question to the DNS', async () => {
    const { ask } = given(helo, { words: 'policy rfc' });
    expect(words(await ask('ehlo', long, []))).toMatch(/HELO hostname does not exist/);
  });
});

test('morercpthosts may be made of U-labels', async () => {
  const { ask } = given(rcptOk, { maps: { morercpthosts: { 'bücher.example': '' } } });
  expect(words(await ask('rcpt', address('<a@XN--BCHER-KVA.example>'), NO_PARAMETERS))).toBe('OK');
});

test('HELO names lose the root dot before they are looked at', async () => {
  const { ask } = given(helo, {});
  expect(words(await ask('ehlo', 'localhost.', []))).toMatch(/You are not localhost/);
  const strict = given(helo, { words: 'policy rfc' });
  expect(words(await strict.ask('ehlo', 'example.', []))).toMatch(/not fully qualified/);
});

test('queue/smtp-forward by mx takes both spellings for one destination', async () => {
  const { ask, session } = given(smtpForward, { words: 'mx' });
  session.transaction = {
    ...session.transaction,
    recipients: [{ address: address('<a@bücher.example>'), parameters: NO_PARAMETERS }],
  };
  expect(words(await ask('rcpt', address('<b@xn--bcher-kva.example>'), NO_PARAMETERS))).toBe('DECLINED');
  expect(words(await ask('rcpt', address('<b@other.example>'), NO_PARAMETERS))).toMatch(/One destination/);
});

test('greylisting knows a sender in both spellings', async () => {
  let now = 1_000_000_000_000;
  const clock = { now: () => now };
  const services = { clock, store: memoryStores(clock) };
  const { ask } = given(greylisting, { words: 'sender 1', services });
  expect(words(await ask('mail', address('<a@bücher.example>'), NO_PARAMETERS))).toMatch(/^DENYSOFT/);
  now += 3_600_000;
  expect(words(await ask('mail', address('<a@XN--BCHER-KVA.example>'), NO_PARAMETERS))).toBe('DECLINED');
});

test('karma_tlds may be written in either way', async () => {
  for (const listed of ['рф:-2', 'xn--p1ai:-2']) {
    for (const client of ['пример.рф', 'xn--e1afmkfd.xn--p1ai']) {
      const { ask, session } = given(karma, { files: { karma_tlds: [listed] } });
      await ask('mail', address(`<a@${client}>`), NO_PARAMETERS);
      expect(session.connection.karma, `${listed} ${client}`).toBe(-2);
    }
  }
});

test.each(['/c/xn--bcher-kva.example/a/list', '/c/bücher.example/a/list'])(
  'user_config finds %s in every spelling',
  async (path) => {
    const files = { read: (name: string) => Promise.resolve(name === path ? 'yes' : undefined) };
    const { ask } = given(userConfig, { words: '/c/%h/%u', services: { files } as never });
    for (const client of SPELLINGS)
      expect(words(await ask('user_config', address(`<a@${client}>`), 'list'))).toBe('OK yes');
  },
);

test('routing keys have A-labels', () => {
  for (const client of SPELLINGS)
    expect(routingKeyOf('%l|%d|%u', address(`<A@${client}>`))).toBe(
      'a|xn--bcher-kva.example|a@xn--bcher-kva.example',
    );
  expect(routingKeyOf('%u', address('<a@１２７.1>'))).toBeUndefined();
});

test('an Authentication-Results field claims to be ours in every spelling', () => {
  for (const id of [...LISTED, '"bücher.example"'])
    expect(namesAuthority(`${id}; spf=pass`, 'xn--bcher-kva.example'), id).toBe(true);
  expect(namesAuthority('other.example; spf=pass', 'xn--bcher-kva.example')).toBe(false);
});
