/** Plugins that decide by lists of recipients, and by the form of the command: rcpt_map, rcpt_regexp, parse_addr_withhelo. */

import { expect, test } from 'vitest';
import { MemoryFiles, testPlugin, printVerdict } from '../../host/testing/index.ts';
import parseAddr from '../../plugins/parse_addr_withhelo.ts';
import rcptMap from '../../plugins/rcpt_map.ts';
import rcptRegexp from '../../plugins/rcpt_regexp.ts';

const MAP = [
  'me@Example.org OK',
  'info@example.org DENY     User not found.',
  'slow@example.org  DENYSOFT',
  'you@example.org OK ',
].join('\n');

test.each([
  ['<ME@example.ORG>', 'OK No such user.'],
  ['<you@example.org>', 'OK No such user.'],
  ['<info@example.org>', 'DENY User not found.'],
  ['<slow@example.org>', 'DENYSOFT No such user.'],
  ['<nobody@example.org>', 'DENY No such user.'],
  ['<me@other.example>', 'DECLINED'],
  ['<postmaster>', 'DECLINED'],
])('rcpt_map: %s is answered with %s', async (path, answer) => {
  const { ask } = testPlugin(rcptMap, { options: 'domain Example.org file /map', files: { '/map': MAP } });
  expect(printVerdict(await ask('rcpt', path))).toBe(answer);
});

test('rcpt_map: blanks of the default text are written as underscores', async () => {
  const line = 'domain example.org file /map default DENYSOFT=User_not_found_(a=b)';
  const { ask } = testPlugin(rcptMap, { options: line, files: { '/map': MAP } });
  expect(printVerdict(await ask('rcpt', '<x@example.org>'))).toBe('DENYSOFT User not found (a=b)');
});

test('rcpt_map follows changes of the file, and keeps the last good map', async () => {
  const files = new MemoryFiles({ '/map': 'a@example.org OK' });
  const { ask } = testPlugin(rcptMap, { options: 'domain example.org file /map', files });
  const isKnown = async (path: string) => printVerdict(await ask('rcpt', path)).startsWith('OK');
  expect([await isKnown('<a@example.org>'), await isKnown('<b@example.org>')]).toEqual([true, false]);
  const changes = [
    () => files.write('/map', 'b@example.org OK'),
    () => files.write('/map', ''),
    () => files.remove('/map'),
  ];
  for (const change of changes) {
    change();
    await ask('pre-connection');
    expect([await isKnown('<a@example.org>'), await isKnown('<b@example.org>')]).toEqual([false, true]);
  }
});

test('rcpt_map does not start without file, domain or entries, and names lines without a code', () => {
  expect(() => testPlugin(rcptMap, { options: 'domain example.org' })).toThrow('file: is missing');
  expect(() => testPlugin(rcptMap, { options: 'file /map' })).toThrow('domain: is missing');
  expect(() => testPlugin(rcptMap, { options: 'domain a file /map' })).toThrow('Empty map file /map');
  expect(() => testPlugin(rcptMap, { options: 'domain a file /map default MAYBE' })).toThrow(
    'must be one of',
  );
  const { log } = testPlugin(rcptMap, {
    options: 'domain a file /map',
    files: { '/map': 'a@a OK\nb@a\nc@a MAYBE x' },
  });
  expect(log).toHaveLength(2);
});

const config = {
  rcpt_regexp: [
    'me@MyHost.org           OK       Accepting mail',
    '/^user\\d+\\@doma\\.in$/   OK       Accepting mail',
    'info@myhost.com         DENY     User not found.',
    '/^unused\\@.*/           DENY     User not found.',
    '/^late@/ DENYSOFT',
    '/^.*@other/             DECLINED Fall through to next rcpt plugin',
    '/^.*$/ DENY_DISCONNECT nobody',
  ],
};

test.each([
  ['<ME@myhost.org>', 'OK Accepting mail'],
  ['<User12@DOMA.in>', 'OK Accepting mail'],
  ['<user12@domaxin>', 'DENY_DISCONNECT nobody'],
  ['<info@myhost.com>', 'DENY User not found.'],
  ['<unused@x.example>', 'DENY User not found.'],
  ['<late@x.example>', 'DENYSOFT'],
  ['<a@other.example>', 'DECLINED Fall through to next rcpt plugin'],
  ['<postmaster>', 'DECLINED'],
])('rcpt_regexp: %s is answered with %s', async (path, answer) => {
  const { ask } = testPlugin(rcptRegexp, { config });
  expect(printVerdict(await ask('rcpt', path))).toBe(answer);
});

test.each([
  ['/(a+)+b(/ DENY x', 'pattern `(a+)+b(`'],
  ['/(?<!x)y/ DENY x', 'look-ahead and look-behind'],
  ['me@host', 'a return code has to follow'],
  ['me@host PERHAPS x', 'a return code has to follow'],
])('rcpt_regexp does not start with the line %s', (line, problem) => {
  expect(() => testPlugin(rcptRegexp, { config: { rcpt_regexp: [line] } })).toThrow(problem);
});

test.each([
  ['mail_parse', 'FROM:<a@b.example>', 'OK <a@b.example>'],
  ['mail_parse', 'from:  <a@b.example>  ', 'OK <a@b.example>'],
  ['mail_parse', 'FROM:<a@b.example> SIZE=1', 'DENY No parameters allowed in MAIL'],
  ['mail_parse', 'FROM:a@b.example SIZE=1', 'DENY No parameters allowed in MAIL'],
  ['mail_parse', 'FROM:a@b.example', 'OK a@b.example'],
  ['mail_parse', 'FROM:<>', 'OK <>'],
  ['mail_parse', 'FROM:', 'OK <>'],
  ['mail_parse', 'FROM:nobody', 'DENY Could not parse your MAIL FROM command'],
  ['mail_parse', 'TO:<a@b.example>', 'DENY Syntax error in command'],
  ['mail_parse', '', 'DENY Syntax error in command'],
  ['rcpt_parse', 'TO:<a@b.example>', 'OK <a@b.example>'],
  ['rcpt_parse', 'TO:<a@b.example> NOTIFY=NEVER', 'DENY No parameters allowed in RCPT'],
  ['rcpt_parse', 'TO:nobody', 'DENY Could not parse your RCPT TO command'],
  ['rcpt_parse', 'TO:', 'DENY Could not parse your RCPT TO command'],
  ['rcpt_parse', 'TO:Postmaster', 'OK Postmaster'],
  ['rcpt_parse', 'FROM:<a@b.example>', 'DENY Syntax error in command'],
] as const)(
  'parse_addr_withhelo, RFC 821 section 4.1.2: %s %s is answered with %s',
  async (hook, line, answer) => {
    const { ask, session } = testPlugin(parseAddr);
    session.connection.hello = 'helo';
    expect(printVerdict(await ask(hook, line))).toBe(answer);
    session.connection.hello = 'ehlo';
    expect(printVerdict(await ask(hook, line))).toBe('DECLINED');
  },
);
