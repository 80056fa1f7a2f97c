import { expect, test } from 'vitest';
import { logText, masked, MAX_TEXT } from '../../host/observe/log-text.ts';
import { cpuMs } from '../patience.ts';

test.each([
  ['a line\r\nforged', 'a line\\x0d\\x0aforged'],
  ['\u001b[2Jgone', '\\x1b[2Jgone'],
  ['a\u0000b\u007fc\u0085d', 'a\\x00b\\x7fc\\x85d'],
  ['line\u2028and\u2029paragraph', 'line\\x2028and\\x2029paragraph'],
  ['\u202etxt.exe', '\\x202etxt.exe'],
  ['Grüße an 日本', 'Grüße an 日本'],
])('control characters are shown: %j', (text, line) => {
  expect(logText(text)).toBe(line);
});

test.each([
  ['dispatching AUTH PLAIN AGpvZQBzZWNyZXQ=', 'dispatching AUTH PLAIN <hidden credentials>'],
  ['dispatching auth login am9l', 'dispatching auth login <hidden credentials>'],
  ['AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9', 'AUTH SCRAM-SHA-256 <hidden credentials>'],
  ['dispatching AUTH LOGIN', 'dispatching AUTH LOGIN'],
  ['cannot reach redis://u:pass@host/0', 'cannot reach redis://u:[hidden]@host/0'],
  ['see https://example.org/a:b@c', 'see https://example.org/a:b@c'],
  ['AUTHPLAIN AGpvZQBz', 'AUTHPLAIN <hidden credentials>'],
  ['AUTH=PLAIN AGpvZQBz', 'AUTH=PLAIN <hidden credentials>'],
  ['XAUTH LOGIN am9l', 'XAUTH LOGIN <hidden credentials>'],
  ['AUTH PLAIN,AGpvZQBz', 'AUTH PLAIN <hidden credentials>'],
  ['MAIL FROM:<a@b> AUTH=<>', 'MAIL FROM:<a@b> AUTH=<>'],
  ['cannot reach amqp://u:p/a@ss@host/0', 'cannot reach amqp://u:[hidden]@host/0'],
  ['POST http://host:8080/in/a@b', 'POST http://host:8080/in/a@b'],
  ['author of the message', 'author of the message'],
])('secrets are masked: %s', (text, line) => {
  expect(logText(text)).toBe(line);
});

test('a text nobody would read to its end is cut', () => {
  const line = logText('x'.repeat(1_000_000));
  expect(line.length).toBeLessThan(MAX_TEXT + 100);
  expect(line).toMatch(/x \[991808 more characters\]$/);
});

test('masking takes time linear in the text', () => {
  const from = cpuMs();
  logText('AUTH '.repeat(2_000) + 'a'.repeat(8_000));
  logText('a://'.repeat(4_000));
  logText('a'.repeat(8_000) + '://x');
  expect(cpuMs() - from).toBeLessThan(500);
});

test('what looks like the scheme of a URL over and over is read once', () => {
  // With a pattern that begins anew at each dot this takes minutes.
  const text = 'a.'.repeat(300_000);
  expect(masked(`${text} ://`)).toBe(`${text} ://`);
  expect(masked(`${text}://u:secret@h ${':'.repeat(300_000)}`)).toBe(
    `${text}://u:[hidden]@h ${':'.repeat(300_000)}`,
  );
});
