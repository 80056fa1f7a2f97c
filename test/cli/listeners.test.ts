/** The file `listeners`: where the daemon listens if the command line does not say. */

import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { readServeDefaults, readServeOptions } from '../../host/cli/serve-command.ts';
import { put, scratch } from '../config/scratch.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const LISTENERS = '# for the balancer\ntcp://127.0.0.1:2525 proxy=required\n\nunix:/run/q.sock mode=0600\n';

function listenOf(files: Record<string, string>, ...args: readonly string[]): readonly string[] {
  const options = readServeOptions(['--config', put(scratch(), files), ...args], readServeDefaults);
  if (options === 'help') throw new Error('help');
  return options.listen;
}

test('each line is a listener; --listen comes first; without both it is port 2525', () => {
  expect(listenOf({ listeners: LISTENERS })).toEqual([
    'tcp://127.0.0.1:2525 proxy=required',
    'unix:/run/q.sock mode=0600',
  ]);
  expect(listenOf({ listeners: LISTENERS }, '--listen', 'tcp://127.0.0.1:1')).toEqual(['tcp://127.0.0.1:1']);
  expect(listenOf({ me: 'mx.example' })).toEqual([expect.stringMatching(/:2525$/)]);
});

test('a wrong line is told with file, line and remedy, by serve and by check', () => {
  const folder = put(scratch(), { listeners: 'tcp://127.0.0.1:2525\ntcp://127.0.0.1:25 proxy=maybe\n' });
  const problem = `${join(folder, 'listeners')}:2: listen address "tcp://127.0.0.1:25 proxy=maybe": "proxy=maybe" is not understood (proxy=required, or proxy-from=NETWORK,NETWORK)`;
  expect(() => readServeDefaults(folder)).toThrow(problem);
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'bin/qpsmtpd.cjs'), 'check', '--config', folder],
    { encoding: 'utf8' },
  );
  expect(stderr).toContain(problem);
  expect(status).toBe(78);
});

test('a listener that begins with TLS needs a certificate, also in check', () => {
  const folder = put(scratch(), { plugins: 'rcpt_ok\n', listeners: 'tcp://127.0.0.1:4650 tls=implicit\n' });
  const args = [join(ROOT, 'bin/qpsmtpd.cjs'), 'check', '--config', folder];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(stderr).toContain('a listener says tls=implicit, but there is no certificate');
  expect(status).toBe(78);
});

test.each([
  ['tcp://127.0.0.1:0 prox=required', '"prox=required" is not understood (did you mean proxy?)'],
  ['http://127.0.0.1:0 injct=raw', '"injct=raw" is not understood (did you mean inject?)'],
  [
    'tpc://127.0.0.1:0',
    'it must start with tcp://, unix:, fd:, fdname:, stdin: or http:// (did you mean tcp:?)',
  ],
  ['fdnam:smtp', 'it must start with tcp://, unix:, fd:, fdname:, stdin: or http:// (did you mean fdname:?)'],
])(
  'serve with %s ends with 64 from the command line, with 78 and the line from the file',
  (spec, problem) => {
    const folder = put(scratch(), { plugins: 'rcpt_ok\n', listeners: `# mistaken\n${spec}\n` });
    const serve = (...args: readonly string[]) =>
      spawnSync(process.execPath, [join(ROOT, 'bin/qpsmtpd.cjs'), 'serve', '--config', folder, ...args], {
        encoding: 'utf8',
      });
    const text = `listen address "${spec}": ${problem}`;
    expect(serve('--listen', spec)).toMatchObject({ status: 64, stderr: `${text}\n` });
    expect(serve()).toMatchObject({ status: 78, stderr: `${join(folder, 'listeners')}:2: ${text}\n` });
  },
);
