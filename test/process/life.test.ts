import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { ConfigError, QpsmtpdError } from '../../host/errors/error-classes.ts';
import { Logger } from '../../host/observe/logger.ts';
import { BackOff } from '../../host/process/worker-pool.ts';
import { drainDaemon, type Daemon } from '../../host/process/daemon.ts';
import { exitCodeOf, WorkerFailure } from '../../host/process/exit-code.ts';
import { FaultGuard } from '../../host/process/fault-guard.ts';
import { HeldSignals, keepInspectorShut, SIGNALS, type HeldSignal } from '../../host/process/held-signals.ts';
import { SerialTask } from '../../host/process/serial-task.ts';
import { DaemonSignals, receiveInWorker } from '../../host/process/signals.ts';
import { shareOf } from '../../host/process/worker.ts';

describe('the back-off of a worker', () => {
  it('doubles from 250 ms to 30 s', () => {
    const backOff = new BackOff();
    const waits = Array.from({ length: 9 }, () => backOff.next(0));
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  it('begins anew after a worker that lived a minute', () => {
    const backOff = new BackOff();
    backOff.next(0);
    backOff.next(59_999);
    expect(backOff.next(60_000)).toBe(250);
    expect(backOff.next(0)).toBe(500);
  });
});

describe('signals', () => {
  const record = (): { signals: DaemonSignals; heard: string[] } => {
    const heard: string[] = [];
    const signals = new DaemonSignals({
      stop: () => void heard.push('stop'),
      stopNow: () => void heard.push('stop now'),
      reload: () => void heard.push('reload'),
      restart: () => void heard.push('restart'),
      reopenLogs: () => void heard.push('reopen logs'),
      note: (text) => void heard.push(text.split(' ').slice(0, 2).join(' ')),
    });
    return { signals, heard };
  };
  const play = (script: string): string[] => {
    const { signals, heard } = record();
    for (const word of script.split(' ')) {
      if (word === '(started)') signals.started();
      else if (word === '(fault)') signals.stopping();
      else signals.receive(word as HeldSignal);
    }
    return heard;
  };

  it.each([
    ['SIGTERM', ['stop']],
    ['SIGTERM (started)', ['stop']],
    ['SIGINT SIGTERM SIGINT', ['stop', 'stop now', 'stop now']],
    ['SIGHUP', []],
    ['SIGHUP SIGHUP (started)', ['reload']],
    ['SIGUSR1 (started)', ['reopen logs']],
    ['SIGHUP SIGTERM (started)', ['stop']],
    ['SIGUSR2', []],
    ['SIGUSR2 SIGPIPE (started)', ['restart']],
    ['SIGUSR2 SIGTERM (started)', ['stop']],
    ['(started) SIGHUP SIGHUP', ['reload', 'reload']],
    ['(started) SIGUSR1 SIGUSR2 SIGPIPE', ['reopen logs', 'restart']],
    ['(started) SIGHUP SIGUSR2 SIGHUP', ['reload', 'restart', 'reload']],
    ['(started) SIGTERM SIGTERM', ['stop', 'stop now']],
    ['SIGQUIT', ['stop now']],
    ['(started) SIGQUIT', ['stop now']],
    ['(started) SIGHUP SIGQUIT', ['reload', 'stop now']],
    ['(started) SIGTERM SIGQUIT', ['stop', 'stop now']],
    ['(started) (fault) SIGQUIT', ['stop now']],
    [
      '(started) SIGTERM SIGHUP SIGUSR1 SIGUSR2',
      ['stop', 'SIGHUP ignored:', 'reopen logs', 'SIGUSR2 ignored:'],
    ],
    ['(started) (fault) SIGTERM', []],
    ['(started) (fault) SIGTERM SIGTERM', ['stop now']],
  ])('%s', (script, expected) => {
    expect(play(script)).toEqual(expected);
  });

  it('of a worker: TERM and QUIT stop it, USR1 is for its log files, the others are for the primary', () => {
    const heard: string[] = [];
    const handlers = {
      stop: () => void heard.push('stop'),
      stopNow: () => void heard.push('stop now'),
      reopenLogs: () => void heard.push('reopen logs'),
    };
    for (const signal of SIGNALS) receiveInWorker(signal, handlers);
    expect(heard).toEqual(['stop', 'stop now', 'reopen logs']);
  });

  it('are kept in their order until somebody carries them out', () => {
    const source = new EventEmitter();
    const held = new HeldSignals();
    held.hold(source);
    held.hold(source);
    for (const signal of SIGNALS) expect(source.listenerCount(signal)).toBe(1);
    source.emit('SIGHUP');
    source.emit('SIGTERM');
    const heard: string[] = [];
    held.deliverTo((signal) => void heard.push(signal));
    expect(heard).toEqual(['SIGHUP', 'SIGTERM']);
    source.emit('SIGUSR1');
    expect(heard).toEqual(['SIGHUP', 'SIGTERM', 'SIGUSR1']);
  });

  it('USR1 does not open the inspector of a program that ends by itself', () => {
    const source = new EventEmitter();
    keepInspectorShut(source);
    expect(source.eventNames()).toEqual(['SIGUSR1']);
  });
});

describe('a serial task', () => {
  it('runs once more for all the requests that came while it ran', async () => {
    const release: (() => void)[] = [];
    let runs = 0;
    const task = new SerialTask(() => {
      runs++;
      return new Promise((resolve) => release.push(resolve));
    });
    task.request();
    task.request();
    task.request();
    expect(runs).toBe(1);
    release[0]?.();
    await expect.poll(() => runs).toBe(2);
    release[1]?.();
    await new Promise((resolve) => setImmediate(resolve));
    expect(runs).toBe(2);
  });
});

describe('the fault guard', () => {
  const guarded = (): { guard: FaultGuard; log: string[]; ends: () => number; clock: { ms: number } } => {
    const log: string[] = [];
    const clock = { ms: 0 };
    let ends = 0;
    const logger = new Logger(7, (line) => log.push(line));
    const guard = new FaultGuard(
      logger,
      () => ends++,
      () => clock.ms,
    );
    return { guard, log, ends: () => ends, clock };
  };

  it('ends the process with the eleventh exception in a minute, once', () => {
    const { guard, ends } = guarded();
    for (let i = 0; i < 10; i++) guard.exception(new Error('a'));
    expect(ends()).toBe(0);
    for (let i = 0; i < 10; i++) guard.exception(new Error('a'));
    expect(ends()).toBe(1);
  });

  it('forgets exceptions after a minute and does not count rejections', () => {
    const { guard, ends, clock } = guarded();
    for (let i = 0; i < 10; i++) guard.exception(new Error('a'));
    clock.ms = 60_000;
    for (let i = 0; i < 10; i++) guard.exception(new Error('a'));
    for (let i = 0; i < 100; i++) guard.rejection(new Error('b'));
    expect(ends()).toBe(0);
  });

  it('logs each fault in one line with its stack, whatever was thrown', () => {
    const { guard, log } = guarded();
    guard.exception(new Error('lost'));
    guard.rejection('a word');
    guard.exception(Object.create(null));
    expect(log).toHaveLength(3);
    expect(log[0]).toMatch(/uncaught exception: Error: lost at .*life\.test\.ts/);
    expect(log[0]).not.toContain('\\x0a');
    expect(log[1]).toContain('unhandled rejection: a word');
    expect(log[2]).toContain('a value that cannot be printed');
  });
});

describe('draining', () => {
  const daemonThat = (drain: () => Promise<void>): { daemon: Daemon; log: string[] } => {
    const log: string[] = [];
    const logger = new Logger(7, (line) => log.push(line));
    const never = (): never => {
      throw new Error('not to be called here');
    };
    return {
      daemon: {
        logger,
        drain,
        listen: never,
        reload: never,
        reopenLogs: never,
        sockets: never,
        announceStop: never,
        describe: never,
        workerTimeoutMs: 0,
      },
      log,
    };
  };

  it('leaves with the code it was asked for', async () => {
    const { daemon, log } = daemonThat(() => Promise.resolve());
    expect(await drainDaemon(daemon, 0, 0)).toBe(0);
    expect(log).toEqual([]);
  });

  it.each([
    ['fails', () => Promise.reject(new Error('no')), /draining failed: Error: no/],
    ['does not end', () => new Promise<void>(() => undefined), /it did not end with the grace period/],
  ])('gives up with 70 when it %s', async (_case, drain, message) => {
    const { daemon, log } = daemonThat(drain);
    expect(await drainDaemon(daemon, -2_950, 0)).toBe(70);
    expect(log.join()).toMatch(message);
  });
});

describe('exit codes', () => {
  const inUse = Object.assign(new Error('in use'), { code: 'EADDRINUSE' });
  const denied = Object.assign(new Error('denied'), { code: 'EACCES' });

  it.each([
    [new ConfigError({ file: 'plugins', line: 1 }, 'wrong'), 78],
    [new ConfigError({ file: 'plugins' }, 'wrong', undefined, 'Q_PLUGIN_LOAD'), 78],
    [new AggregateError([new ConfigError({ file: 'a' }, 'b'), new ConfigError({ file: 'c' }, 'd')]), 78],
    [new QpsmtpdError('Q_USAGE', ''), 64],
    [new QpsmtpdError('Q_ALREADY_RUNNING', ''), 25],
    [new QpsmtpdError('Q_PRIVILEGES', ''), 77],
    [new QpsmtpdError('Q_LISTEN', '', { cause: inUse }), 75],
    [new QpsmtpdError('Q_LISTEN', '', { cause: denied }), 71],
    [new WorkerFailure(42, ''), 42],
    [new TypeError(''), 70],
    ['a word', 70],
  ])('%# are those of sysexits', (error, code) => {
    expect(exitCodeOf(error)).toBe(code);
  });
});

it('gives every worker its share of the connections, rounded up', () => {
  const serve = { listen: [], graceMs: 0 };
  expect(shareOf({ ...serve, workers: 4, maxConnections: 15 })).toBe(4);
  expect(shareOf({ ...serve, workers: 4, maxConnections: 1 })).toBe(1);
  expect(shareOf({ ...serve, workers: 4 })).toBeUndefined();
});
