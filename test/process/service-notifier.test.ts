/** What a supervisor hears of the daemon. */

import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ServiceNotifier, type NotifierOptions } from '../../host/process/service-notifier.ts';

let sent: string[];
let complaints: string[];
beforeEach(() => {
  [sent, complaints] = [[], []];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function begun(environment: NodeJS.ProcessEnv, more: Partial<NotifierOptions> = {}): ServiceNotifier {
  const notifier = new ServiceNotifier();
  notifier.begin({
    environment,
    pid: 4711,
    complain: (problem) => complaints.push(problem),
    notify: (assignments, socket) => {
      sent.push([socket, ...assignments].join(' '));
      return Promise.resolve();
    },
    ...more,
  });
  return notifier;
}

test('its variables are taken out of the environment; without a socket nothing is sent', async () => {
  const environment = { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '1', WATCHDOG_PID: '2', PATH: '/bin' };
  begun(environment);
  expect(environment).toEqual({ PATH: '/bin' });
  const notifier = begun({});
  notifier.ready('x');
  notifier.stopping('x');
  await notifier.flushed();
  expect(sent).toEqual([]);
});

test('start, reload and stop, one after the other', async () => {
  const notifier = begun({ NOTIFY_SOCKET: '@n' });
  notifier.ready('listening on tcp://[::]:25,\n2 workers');
  notifier.reloading();
  notifier.reloaded();
  notifier.stopping('sessions have 30 s to end');
  await notifier.flushed();
  expect(sent[1]).toMatch(/^@n RELOADING=1 MONOTONIC_USEC=\d+ STATUS=reading/);
  expect([sent[0], ...sent.slice(2)]).toEqual([
    '@n READY=1 MAINPID=4711 STATUS=listening on tcp://[::]:25, 2 workers',
    '@n READY=1 STATUS=listening on tcp://[::]:25, 2 workers',
    '@n STOPPING=1 STATUS=sessions have 30 s to end',
  ]);
});

test('the watchdog is fed twice in its time, while the daemon is alive', async () => {
  const notifier = begun({ NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '4000000', WATCHDOG_PID: '4711' });
  let isAlive = true;
  notifier.ready('x', () => isAlive);
  await vi.advanceTimersByTimeAsync(8_000);
  expect(sent.slice(1)).toEqual(Array.from({ length: 4 }, () => '@n WATCHDOG=1'));
  isAlive = false;
  await vi.advanceTimersByTimeAsync(8_000);
  expect(sent).toHaveLength(5);
});

test('the watchdog of another process is not ours', async () => {
  begun({ NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '4000000', WATCHDOG_PID: '1' }).ready('x');
  await vi.advanceTimersByTimeAsync(8_000);
  expect(sent).toHaveLength(1);
});

test('a successor is told where to speak, and its predecessor is silent then', async () => {
  const notifier = begun({ NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '4000000', WATCHDOG_PID: '4711' });
  notifier.ready('x');
  expect(notifier.forSuccessor()).toEqual({ NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '4000000' });
  notifier.cease();
  notifier.stopping('x');
  await vi.advanceTimersByTimeAsync(8_000);
  expect(sent).toHaveLength(1);
  expect(begun({}).forSuccessor()).toEqual({});
});

test('a supervisor that cannot be reached is complained of once', async () => {
  const notify = () => Promise.reject(new Error('spawn systemd-notify ENOENT'));
  const notifier = begun({ NOTIFY_SOCKET: '@n' }, { notify });
  notifier.ready('x');
  notifier.stopping('x');
  await notifier.flushed();
  expect(complaints).toEqual([
    'systemd cannot be told how the daemon is: spawn systemd-notify ENOENT (install the program systemd-notify, or use Type=exec)',
  ]);
});

test('a descriptor gets a line end, once, and is closed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-ready-'));
  const file = join(folder, 'ready');
  const descriptor = openSync(file, 'w');
  const notifier = begun({}, { readyDescriptor: descriptor });
  expect(readFileSync(file, 'latin1')).toBe('');
  notifier.ready('x');
  notifier.ready('x');
  expect(readFileSync(file, 'latin1')).toBe('\n');
  expect(() => begun({}, { readyDescriptor: descriptor })).toThrow(
    `--ready-fd ${descriptor}: it is not open`,
  );
  expect(complaints).toEqual([]);
  rmSync(folder, { recursive: true });
});
