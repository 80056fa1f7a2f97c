/** A domain is one domain to every list, however the client and the operator spell it. RFC 5890 section 2.3.2.1. */

import { describe, expect, test } from 'vitest';
import { testPlugin, printVerdict, address } from '../../host/testing/index.ts';
import { RouteTable } from '../../bindings/lists/index.ts';
import { whitelistRecipients, type Outlet } from '../../bindings/plugin/index.ts';
import { routingKeyOf } from '../../plugins/queue/amqp/publication.ts';
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

/** As a client may write it, and as an operator may. */
const SPELLINGS = ['bücher.example', 'xn--bcher-kva.example', 'XN--Bcher-KVA.Example'] as const;
const LISTED = [...SPELLINGS, 'BÜCHER.example.'] as const;
const PAIRS = SPELLINGS.flatMap((client) => LISTED.map((listed) => ({ client, listed })));

describe.each(PAIRS)('$client in an address is $listed in a list', ({ client, listed }) => {
  const sender = address(`<a@${client}>`);

  test('of badmailfrom, alone and with a user', async () => {
    for (const entry of [`@${listed}`, `A@${listed}`]) {
      const { ask } = testPlugin(badmailfrom, { config: { badmailfrom: [entry] } });
      expect(printVerdict(await ask('mail', sender))).toMatch(/^DENY/);
    }
  });

  test('of badrcptto and badmailfromto', async () => {
    const { ask } = testPlugin(badrcptto, { config: { badrcptto: [`a@${listed} gone`] } });
    expect(printVerdict(await ask('rcpt', sender))).toMatch(/^DENY gone/);
    const pair = testPlugin(badmailfromto, { config: { badmailfromto: [`@${listed} b@${listed}`] } });
    await pair.ask('mail', sender);
    pair.session.transaction.reversePath = sender;
    expect(printVerdict(await pair.ask('rcpt', `<b@${client}>`))).toMatch(/^DENY/);
  });

  test('of rcpthosts, as it is and below a dot, and in me', async () => {
    const whole = testPlugin(rcptOk, { config: { rcpthosts: [listed] } });
    expect(printVerdict(await whole.ask('rcpt', sender))).toBe('OK');
    const below = testPlugin(rcptOk, { config: { rcpthosts: [`.${listed}`] } });
    expect(printVerdict(await below.ask('rcpt', `<a@mx.${client}>`))).toBe('OK');
    const own = testPlugin(rcptOk, { config: { me: [listed] } });
    expect(printVerdict(await own.ask('rcpt', sender))).toBe('OK');
  });

  test('of whitelists', async () => {
    for (const entry of [listed, `a@${listed}`]) {
      const files = { whitelistsenders: [entry], whitelistrcpt: [entry] };
      const { ask } = testPlugin(whitelist, { config: files });
      expect(printVerdict(await ask('mail', sender)), entry).toBe('OK');
      expect(printVerdict(await ask('rcpt', sender)), entry).toBe('OK');
      const own = testPlugin(whitelist, { options: 'per_recipient 1', config: { whitelistrcpt: [entry] } });
      await own.ask('rcpt', sender);
      own.session.transaction.addRecipient(sender);
      await own.ask('data');
      expect(own.session.transaction.notes.get(whitelistRecipients), entry).toBe(1);
    }
    const { ask } = testPlugin(whitelist, { config: { whitelisthelo: [listed] } });
    expect(printVerdict(await ask('ehlo', client))).toBe('OK');
  });

  test('of rcpt_map and rcpt_regexp', async () => {
    const files = { '/f': `a@${listed} OK yes` };
    // A line of plugins is ASCII.
    const domain = /^[!-~]+$/.test(listed) ? listed : 'xn--bcher-kva.example.';
    const map = testPlugin(rcptMap, { options: `domain ${domain} file /f`, files });
    expect(printVerdict(await map.ask('rcpt', sender))).toBe('OK yes');
    const rules = testPlugin(rcptRegexp, { config: { rcpt_regexp: [`a@${listed} OK yes`] } });
    expect(printVerdict(await rules.ask('rcpt', sender))).toBe('OK yes');
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
    const { ask } = testPlugin(helo, { config: { badhelo: [listed] } });
    for (const host of [client, `${client}.`]) expect(printVerdict(await ask('ehlo', host))).toMatch(/^DENY/);
  });
});

describe('patterns', () => {
  test.each(SPELLINGS)('see %s in U-labels and in A-labels', async (client) => {
    for (const pattern of ['.*@xn--bcher-kva\\.example$', '.*@bücher\\.example$']) {
      const list = testPlugin(badmailfrom, { config: { badmailfrom: [pattern] } });
      expect(printVerdict(await list.ask('mail', `<a@${client}>`))).toMatch(/^DENY/);
      const names = testPlugin(helo, { config: { badhelo: [pattern.replace('.*@', '^')] } });
      expect(printVerdict(await names.ask('ehlo', client))).toMatch(/^DENY/);
      const rules = testPlugin(rcptRegexp, { config: { rcpt_regexp: [`/${pattern}/ DENY no`] } });
      expect(printVerdict(await rules.ask('rcpt', `<a@${client}>`))).toBe('DENY no');
    }
  });
});

describe('a name without canonical form', () => {
  const long = `${'a.'.repeat(200)}example`;

  test.each(['１２７.1', long])('matches nothing and is no relay: %s', async (name) => {
    const asked: string[] = [];
    const morercpthosts = new Proxy(
      {},
      {
        getOwnPropertyDescriptor: (_, key) => (asked.push(String(key)), undefined),
      },
    );
    const { ask, log } = testPlugin(rcptOk, {
      config: { rcpthosts: [name, '.example', '127.0.0.1'] },
      databases: { morercpthosts },
    });
    // The start looks whether the database can be read at all.
    expect(asked.splice(0)).toEqual(['']);
    expect(printVerdict(await ask('rcpt', `<a@${name}>`))).toBe('DENY Relaying denied (#7.1)');
    expect(asked).toEqual([]);
    expect(log.join()).toContain('matches nothing: there can be no such domain');
    const list = testPlugin(badmailfrom, { config: { badmailfrom: [`@${name}`, '@'] } });
    expect(printVerdict(await list.ask('mail', `<a@${name}>`))).not.toMatch(/^DENY/);
    expect(list.log.join()).toContain('there can be no such domain');
  });

  test('is refused as a HELO name by whoever looks names up, without a question to the DNS', async () => {
    const { ask } = testPlugin(helo, { options: 'policy rfc' });
    expect(printVerdict(await ask('ehlo', long))).toMatch(/HELO hostname does not exist/);
  });
});

test('morercpthosts may be made of U-labels', async () => {
  const { ask } = testPlugin(rcptOk, { databases: { morercpthosts: { 'bücher.example': '' } } });
  expect(printVerdict(await ask('rcpt', '<a@XN--BCHER-KVA.example>'))).toBe('OK');
});

test('HELO names lose the root dot before they are looked at', async () => {
  const { ask } = testPlugin(helo, {});
  expect(printVerdict(await ask('ehlo', 'localhost.'))).toMatch(/You are not localhost/);
  const strict = testPlugin(helo, { options: 'policy rfc' });
  expect(printVerdict(await strict.ask('ehlo', 'example.'))).toMatch(/not fully qualified/);
});

test('queue/smtp-forward by mx takes both spellings for one destination', async () => {
  const { ask, session } = testPlugin(smtpForward, { options: 'mx' });
  session.begin({ to: ['<a@bücher.example>'] });
  expect(printVerdict(await ask('rcpt', '<b@xn--bcher-kva.example>'))).toBe('DECLINED');
  expect(printVerdict(await ask('rcpt', '<b@other.example>'))).toMatch(/One destination/);
});

test('greylisting knows a sender in both spellings', async () => {
  const { ask, clock } = testPlugin(greylisting, { options: 'sender 1' });
  expect(printVerdict(await ask('mail', '<a@bücher.example>'))).toMatch(/^DENYSOFT/);
  clock.advance(3_600_000);
  expect(printVerdict(await ask('mail', '<a@XN--BCHER-KVA.example>'))).toBe('DECLINED');
});

test('karma_tlds may be written in either way', async () => {
  for (const listed of ['рф:-2', 'xn--p1ai:-2']) {
    for (const client of ['пример.рф', 'xn--e1afmkfd.xn--p1ai']) {
      const { ask, session } = testPlugin(karma, { config: { karma_tlds: [listed] } });
      await ask('mail', `<a@${client}>`);
      expect(session.connection.karma, `${listed} ${client}`).toBe(-2);
    }
  }
});

test.each(['/c/xn--bcher-kva.example/a/list', '/c/bücher.example/a/list'])(
  'user_config finds %s in every spelling',
  async (path) => {
    const files = { [path]: 'yes' };
    const { ask } = testPlugin(userConfig, { options: '/c/%h/%u', files });
    for (const client of SPELLINGS)
      expect(printVerdict(await ask('user_config', `<a@${client}>`, 'list'))).toBe('OK yes');
  },
);

test('routing keys have A-labels', () => {
  for (const client of SPELLINGS)
    expect(routingKeyOf('%l|%d|%u', address(`<A@${client}>`))).toBe(
      'a|xn--bcher-kva.example|a@xn--bcher-kva.example',
    );
  expect(routingKeyOf('%u', address('<a@１２７.1>'))).toBeUndefined();
});
