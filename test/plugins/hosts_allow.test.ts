import { expect, test } from 'vitest';
import { testPlugin, printVerdict } from '../../host/testing/index.ts';
import { karmaHistory } from '../../bindings/plugin/index.ts';
import hostsAllow from '../../plugins/hosts_allow.ts';

const files = {
  hosts_allow: [
    '192.0.2.7 DECLINED',
    '192.0.2.0/24   DENY  Sorry, known spam only source',
    '198.51.100.0/25 DENYSOFT_DISCONNECT',
    '2001:db8:1::/48 OK',
    '2001:db8::/32 DENY_DISCONNECT no IPv6 from there',
    '0.0.0.0/0 DENYSOFT come back later',
  ],
};

test.each([
  ['192.0.2.7', 'DECLINED'],
  ['192.0.2.8', 'DENY Sorry, known spam only source'],
  ['198.51.100.127', 'DENYSOFT_DISCONNECT'],
  ['198.51.100.128', 'DENYSOFT come back later'],
  ['2001:db8:1::25', 'OK'],
  ['2001:db8:2::25', 'DENY_DISCONNECT no IPv6 from there'],
  ['::ffff:192.0.2.8', 'DENY Sorry, known spam only source'],
  ['2001:db9::1', 'DECLINED'],
])('hosts_allow: the first line that has %s says %s', async (remoteIp, answer) => {
  const { ask, session } = testPlugin(hostsAllow, { config: files });
  session.connection.remoteIp = remoteIp;
  expect(printVerdict(await ask('pre-connection'))).toBe(answer);
});

/** Connections of the address, what `--max-from-ip` says, and what is known of earlier ones. */
test.each([
  { from: 5, max: 5, history: undefined, isRefused: false },
  { from: 6, max: 5, history: undefined, isRefused: true },
  { from: 500, max: undefined, history: undefined, isRefused: false },
  { from: 500, max: undefined, history: -3, isRefused: false },
  { from: 1, max: 5, history: 0, isRefused: false },
  { from: 2, max: 5, history: 0, isRefused: true },
  { from: 2, max: 5, history: -9, isRefused: true },
  { from: 5, max: 5, history: 5, isRefused: false },
  { from: 6, max: 5, history: 5, isRefused: true },
  { from: 8, max: 5, history: 6, isRefused: false },
  { from: 9, max: 5, history: 6, isRefused: true },
])(
  'hosts_allow: connection $from of at most $max with a karma history of $history is refused: $isRefused',
  async ({ from, max, history, isRefused }) => {
    const { ask, session, log } = testPlugin(hostsAllow);
    session.connection.fromSameAddress = from;
    session.connection.maxFromSameAddress = max;
    if (history !== undefined) session.connection.notes.set(karmaHistory, history);
    expect(printVerdict(await ask('pre-connection'))).toBe(
      isRefused ? 'DENYSOFT too many connections from 192.0.2.3, try again later' : 'DECLINED',
    );
    expect(log).toHaveLength(isRefused ? 1 : 0);
  },
);

test('hosts_allow: the limit comes before the list', async () => {
  const { ask, session } = testPlugin(hostsAllow, { config: { hosts_allow: ['192.0.2.3 OK'] } });
  Object.assign(session.connection, { fromSameAddress: 3, maxFromSameAddress: 2 });
  expect(printVerdict(await ask('pre-connection'))).toContain('DENYSOFT too many');
});

test.each(['192.0.2.1 DENYY go away', '192.0.2.1 deny', '192.0.2.1', '192.0.2.1 901'])(
  'hosts_allow: `%s` is refused at start, not taken for a permission',
  (line) => {
    expect(() => testPlugin(hostsAllow, { config: { hosts_allow: [line] } })).toThrow(
      /is none of OK, DENY, /,
    );
  },
);

test('hosts_allow: a line without an address matches nobody, and says so', async () => {
  const { ask, log } = testPlugin(hostsAllow, { config: { hosts_allow: ['mail.example DENY'] } });
  expect(printVerdict(await ask('pre-connection'))).toBe('DECLINED');
  expect(log.join('\n')).toContain('entry `mail.example` matches nothing');
});
