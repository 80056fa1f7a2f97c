import { expect, test } from 'vitest';
import { parseListenerOptions } from '../../host/intake/handover-acceptor.ts';
import { parseListen, printListen } from '../../host/intake/listen-spec.ts';
import { refuseLmtpAt } from '../../host/intake/listener-options.ts';

test.each([
  ['tcp://127.0.0.1:2525', { kind: 'tcp', address: '127.0.0.1', port: 2525 }],
  ['tcp://[::]:465 tls=implicit', { kind: 'tcp', address: '::', port: 465, startsWithTls: true }],
  ['tcp://[::]:465 tls=starttls', { kind: 'tcp', address: '::', port: 465, startsWithTls: false }],
  ['tcp://[::]:587 service=submission', { kind: 'tcp', address: '::', port: 587, service: 'submission' }],
  ['unix:/run/a.sock', { kind: 'unix', path: '/run/a.sock', mode: 0o660 }],
  ['unix:/run/a.sock mode=0600', { kind: 'unix', path: '/run/a.sock', mode: 0o600 }],
  ['fd:3', { kind: 'fd', fd: 3 }],
  ['fd:0 tls=implicit', { kind: 'fd', fd: 0, startsWithTls: true }],
  ['fdname:smtp-in.socket', { kind: 'fdname', name: 'smtp-in.socket' }],
  ['unix:/a?b tls=implicit mode=600', { kind: 'unix', path: '/a?b', mode: 0o600, startsWithTls: true }],
])('%s', (text, spec) => {
  expect(parseListen(text)).toEqual(spec);
});

test.each([
  'tcp://[::]:465 tls=implicit service=a-1',
  'unix:/run/a.sock service=b',
  'tcp://[::]:465 tls=implicit',
  'tcp://192.0.2.1:25',
  'unix:/run/a.sock tls=starttls',
  'fd:4 tls=starttls proxy=required',
  'fdname:smtp tls=implicit',
])('%s is printed as it was written', (text) => expect(printListen(parseListen(text))).toBe(text));

test.each([
  'tcp://127.0.0.1:25 tls=maybe',
  'tcp://127.0.0.1:25 tls=',
  'tcp://127.0.0.1:25 tls',
  'tcp://127.0.0.1:25 tls=implicit tls=implicit',
  'tcp://127.0.0.1:25 mode=0600',
  'tcp://127.0.0.1:25?tls=implicit',
  'unix:/run/a.sock mode=9',
  'unix:/run/a.sock mode=432',
  'fd:',
  'fd:x',
  'fd:-1',
  'fd:3 mode=0600',
  'fdname:',
  'fdname:a:b',
  'tcp://127.0.0.1:25 service=',
  'tcp://127.0.0.1:25 service=Submission',
  'tcp://127.0.0.1:25 service=1st',
  'tcp://127.0.0.1:25 service=a.b',
  'tcp://127.0.0.1:25 service=../x',
  'tcp://127.0.0.1:25 service=bak',
  'tcp://127.0.0.1:25 service=cdb',
  'tcp://127.0.0.1:25 service=dpkg-new',
  `tcp://127.0.0.1:25 service=${'a'.repeat(33)}`,
  'tls=implicit',
  '',
])('"%s" is refused', (text) => {
  expect(() => parseListen(text)).toThrow(/listen address/);
});

test.each([
  ['tcp://127.0.0.1:25 prox=required', '"prox=required" is not understood (did you mean proxy?)'],
  ['unix:/run/a mod=0660', '"mod=0660" is not understood (did you mean mode?)'],
  ['tcp://127.0.0.1:25 servce=submission', '"servce=submission" is not understood (did you mean service?)'],
  ['tcp://127.0.0.1:25 tls=implicit tls=starttls', '"tls=starttls" is given twice, or has no value'],
  ['tcp://127.0.0.1:25 tls', '"tls" is given twice, or has no value'],
])('%s is refused: %s', (spec, problem) => {
  expect(() => parseListen(spec)).toThrow(problem);
});

test('LMTP on port 25 is refused where the port is in the spec, and where it shows with the socket that was passed', () => {
  const problem = /clients of port 25 speak SMTP \(LMTP takes another, RFC 2033 section 5\)/;
  expect(() => parseListen('tcp://127.0.0.1:25 lmtp=yes')).toThrow(problem);
  const passed = parseListen('fd:3 lmtp=yes');
  expect(() => refuseLmtpAt(25, passed, 'fd:3 lmtp=yes')).toThrow(problem);
  expect(() => refuseLmtpAt(24, passed, 'fd:3 lmtp=yes')).not.toThrow();
  expect(() => refuseLmtpAt(25, parseListen('fd:3'), 'fd:3')).not.toThrow();
});

test('options without an address, of sockets that somebody else has accepted', () => {
  expect(parseListenerOptions('tls=implicit  service=a')).toEqual({ startsWithTls: true, service: 'a' });
  expect(parseListenerOptions('')).toEqual({});
  expect(() => parseListenerOptions('tsl=implicit')).toThrow(
    '"tsl=implicit" is not understood (did you mean tls?)',
  );
});
