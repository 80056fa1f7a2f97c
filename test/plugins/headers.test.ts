import { expect, test } from 'vitest';
import { TestClock, testPlugin, printVerdict } from '../../host/testing/index.ts';
import { naughty, whitelistHost } from '../../bindings/plugin/index.ts';
import headers from '../../plugins/headers.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const DAY = 86_400_000;
const date = (days: number): string => new Date(NOW + days * DAY).toUTCString();

const FROM = 'From: <matt@example.com>\r\n';
const BODY = '\r\ntest message body\r\n';

test.each([
  ['', `${FROM}Date: ${date(0)}\r\n${BODY}`, 'DECLINED'],
  ['', `Date: ${date(0)}\r\n${BODY}`, 'DENY We require a valid From header'],
  ['require From,Date', `${FROM}${BODY}`, 'DENY We require a valid Date header'],
  ['require from,date', BODY, 'DENY We require a valid from header We require a valid date header'],
  ['require Received', `${FROM}Received: x\r\n${BODY}`, 'DECLINED'],
  ['', `${FROM}${FROM}${BODY}`, 'DENY Only one From header allowed. See RFC 5322, Section 3.6'],
  [
    '',
    `${FROM}message-id: <1@x>\r\nMESSAGE-ID: <2@x>\r\n${BODY}`,
    'DENY Only one Message-Id header allowed. See RFC 5322, Section 3.6',
  ],
  ['', `${FROM}Received: x\r\nReceived: y\r\n${BODY}`, 'DECLINED'],
  ['reject_type temp', BODY, 'DENYSOFT We require a valid From header'],
  ['reject 0', BODY, 'DECLINED'],
  ['', '', 'DENY You must send some data first'],
  ['future 2', `${FROM}Date: ${date(6)}\r\n${BODY}`, 'DENY The Date header is too far in the future'],
  ['future 2', `${FROM}Date: ${date(3)}\r\n${BODY}`, 'DENY The Date header is too far in the future'],
  ['future 2', `${FROM}Date: ${date(1)}\r\n${BODY}`, 'DECLINED'],
  ['past 2', `${FROM}Date: ${date(-6)}\r\n${BODY}`, 'DENY The Date header is too far in the past'],
  ['past 2', `${FROM}Date: ${date(-3)}\r\n${BODY}`, 'DENY The Date header is too far in the past'],
  ['past 2', `${FROM}Date: ${date(-1)}\r\n${BODY}`, 'DECLINED'],
  ['past 2 future 2', `${FROM}Date: some day\r\n${BODY}`, 'DECLINED'],
  ['past 0', `${FROM}Date: ${date(-6)}\r\n${BODY}`, 'DECLINED'],
])('headers %s, RFC 5322 section 3.6: %j is answered with %s', async (line, text, answer) => {
  const { ask, session } = testPlugin(headers, { options: line, clock: new TestClock(NOW) });
  session.begin({ message: text });
  expect(printVerdict(await ask('data_post'))).toBe(answer);
});

test('headers: each fault costs a point of karma', async () => {
  const { ask, session } = testPlugin(headers, {
    options: 'require From,Date past 1',
    clock: new TestClock(NOW),
  });
  session.begin({ message: `Subject: a\r\nSubject: b\r\n${BODY}` });
  await ask('data_post');
  expect(session.connection.karma).toBe(-3);
  session.begin({ message: `${FROM}Date: ${date(-9)}\r\n${BODY}` });
  await ask('data_post');
  expect(session.connection.karma).toBe(-4);
});

test('headers leaves reasons for naughty only if its line says so', async () => {
  for (const [line, reasons] of [
    ['reject naughty', ['(headers) We require a valid From header']],
    ['reject 0', undefined],
  ] as const) {
    const { ask, session } = testPlugin(headers, { options: line });
    session.begin({ message: BODY });
    expect(printVerdict(await ask('data_post'))).toBe('DECLINED');
    expect(session.connection.notes.get(naughty)).toEqual(reasons);
  }
});

test('headers skips welcome hosts, but not their empty messages', async () => {
  const { ask, session } = testPlugin(headers);
  session.connection.notes.set(whitelistHost, true);
  session.begin({ message: BODY });
  expect(printVerdict(await ask('data_post'))).toBe('DECLINED');
  session.begin({ message: '' });
  expect(printVerdict(await ask('data_post'))).toBe('DENY You must send some data first');
});

test('headers refuses at start what is no list of field names', () => {
  expect(() => testPlugin(headers, { options: 'require From:' })).toThrow('must be field names');
});
