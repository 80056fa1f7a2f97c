import { EventEmitter } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import { deny, LogLevel, ok, type Answer, type Verdict } from '../../bindings/plugin/index.ts';
import type { Hooks } from '../../bindings/plugin/hooks.ts';
import { FIRST_PAUSE_MS, MAX_IN_A_ROW } from '../../host/hooks/hook-step.ts';
import { setUpPlugin } from '../../host/hooks/loaded-plugin.ts';
import { parsePluginLine } from '../../host/hooks/plugin-line.ts';
import { attributeError, runningCall } from '../../host/hooks/plugin-scope.ts';
import { HookRunner } from '../../host/hooks/runner.ts';
import {
  address,
  collectingLogger,
  fakeConfig,
  fakeServices,
  FakeSession,
  NO_PARAMETERS,
  words,
} from './plugin-context.ts';
import { HandDeadlines } from './hand-deadlines.ts';

/** A runner over plugins p1, p2 and so on, whose time is up when `deadlines` says so. */
function runnerOf(hooks: Hooks<unknown>[], { lines = [] as string[], isBuiltIn = false } = {}) {
  const { logger, lines: log } = collectingLogger(LogLevel.NOTICE);
  const environment = {
    config: fakeConfig({ files: { list: ['of all'] } }),
    services: fakeServices(),
    logger,
  };
  const plugins = hooks.map((own, index) => {
    const text = lines[index] ?? `p${index + 1}`;
    const line = parsePluginLine({ text, place: { file: 'plugins', line: index + 1 } });
    return setUpPlugin({ name: line.file, about: '', hooks: own }, line, environment, { isBuiltIn });
  });
  const deadlines = new HandDeadlines();
  const runner = new HookRunner(plugins, logger, { deadlines, budgetMs: () => 30_000 });
  const session = new FakeSession();
  const mail = async (): Promise<string> =>
    words(await runner.run('mail', session, address('<a@b.example>'), NO_PARAMETERS));
  return { runner, session, log, deadlines, mail };
}

const never = (): Promise<never> => new Promise(() => undefined);
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
};

describe('a hook that never answers', () => {
  test('is given up: a check is skipped, with a line that names plugin, hook and cause', async () => {
    const { mail, deadlines, log } = runnerOf([{ mail: never }, { mail: () => deny('next') }]);
    const answer = mail();
    await deadlines.pass();
    expect(await answer).toBe('DENY next');
    expect(log).toEqual([
      '[c1] (mail) p1: FATAL PLUGIN ERROR [p1]: hook mail: TimeIsUp: no answer within 30 s',
    ]);
  });

  test('puts the client off where the next plugin must not decide', async () => {
    const { runner, session, deadlines } = runnerOf([{ rcpt: never }, { rcpt: () => ok() }]);
    const answer = runner.run('rcpt', session, address('<a@b.example>'), NO_PARAMETERS);
    await deadlines.pass();
    expect(words(await answer)).toMatch(/^DENYSOFT Internal error/);
  });

  test('has the time its line gives it, else ten times the usual after the end of data', async () => {
    const { runner, session, deadlines, log } = runnerOf([{ queue: never }, { queue: never }], {
      lines: ['p1 timeout 5 on_error skip'],
    });
    const answer = runner.run('queue', session);
    await deadlines.pass();
    await deadlines.pass();
    await answer;
    expect(log.map((line) => line.split('TimeIsUp: ')[1])).toEqual([
      'no answer within 5 s',
      'no answer within 300 s',
    ]);
  });

  test('answers too late: what it says then is dropped, and counts for nothing', async () => {
    let late: (answer: Answer) => void = () => undefined;
    const { mail, deadlines, log, runner } = runnerOf([
      { mail: () => new Promise<Answer>((resolve) => (late = resolve)) },
    ]);
    const answer = mail();
    await deadlines.pass();
    expect(await answer).toBe('DECLINED');
    late(deny('too late'));
    await turns(5);
    expect(log.at(-1)).toContain('Plugin p1, hook mail answered when its time was up: dropped');
    expect(runner.statistics()).toMatchObject([{ plugin: 'p1', hook: 'mail', failures: 1, timeouts: 1 }]);
    expect(deadlines.count).toBe(0);
  });

  test('rejects too late: nobody is left with an unhandled rejection', async () => {
    let late: (thrown: Error) => void = () => undefined;
    const { mail, deadlines } = runnerOf([
      { mail: () => new Promise<Answer>((_, reject) => (late = reject)) },
    ]);
    const answer = mail();
    await deadlines.pass();
    await answer;
    late(new Error('too late'));
    await turns(5);
  });
});

describe('a hook that answers twice', () => {
  test('is taken at its first word', async () => {
    const twice = {
      then(resolve: (answer: Answer) => void, reject: (thrown: unknown) => void) {
        resolve(deny('first'));
        resolve(ok());
        reject(new Error('third'));
        throw new Error('fourth');
      },
    };
    for (const isBuiltIn of [false, true]) {
      const { mail, log } = runnerOf([{ mail: () => twice as unknown as Promise<Answer> }], { isBuiltIn });
      expect(await mail()).toBe('DENY first');
      expect(log).toEqual([]);
    }
  });
});

describe('what a hook leaves behind', () => {
  test('an error while the answer is awaited takes the place of the answer', async () => {
    let charge: ReturnType<typeof runningCall>;
    const { mail, log } = runnerOf([
      {
        mail: () => {
          charge = runningCall();
          return never();
        },
      },
      { mail: () => deny('next') },
    ]);
    const answer = mail();
    charge!.blame(new Error('of a timer'));
    expect(await answer).toBe('DENY next');
    expect(log[0]).toMatch(/^\[c1\] \(mail\) p1: FATAL PLUGIN ERROR \[p1\]: hook mail: Error: of a timer/);
  });

  test('timers, rejections, emitters and what they begin are charged to plugin, hook and session', async () => {
    const heard: (string | undefined)[] = [];
    const note = (): void => void heard.push(`${runningCall()?.plugin} ${runningCall()?.hook}`);
    let last: Promise<void> = Promise.resolve();
    const { mail } = runnerOf([
      {
        mail() {
          last = new Promise((resolve) => {
            setTimeout(() => {
              note();
              setImmediate(() => {
                note();
                resolve();
              });
            }, 1);
          });
          new EventEmitter().on('x', note).emit('x');
          void Promise.resolve().then(note);
        },
      },
    ]);
    await mail();
    await last;
    expect(heard).toEqual(['p1 mail', 'p1 mail', 'p1 mail', 'p1 mail']);
    expect(runningCall()).toBeUndefined();
  });

  test('an error behind the answer is logged, and too many of them take the plugin out', async () => {
    let charge: ReturnType<typeof runningCall>;
    const { mail, log, runner } = runnerOf([{ mail: () => void (charge = runningCall()) }]);
    for (let time = 0; time < 10; time++) {
      expect(await mail()).toBe('DECLINED');
      charge!.blame(new Error('late'));
    }
    expect(log[0]).toMatch(/p1: FATAL PLUGIN ERROR \[p1\]: hook mail: behind its answer: Error: late/);
    expect(log.at(-1)).toContain(
      'Plugin p1 failed behind its answers again and again: out of hook mail for 30 s',
    );
    expect(runner.statistics()).toMatchObject([{ trips: 1, isOut: true }]);
  });

  test('an error from nowhere belongs to nobody', () => {
    expect(attributeError(new Error('of the server'))).toBe(false);
  });

  test('plugins that come with the server are called without a scope', async () => {
    const charges: unknown[] = [];
    const { mail } = runnerOf([{ mail: () => void charges.push(runningCall()) }], { isBuiltIn: true });
    await mail();
    expect(charges).toEqual([undefined]);
  });
});

describe('a plugin that fails again and again', () => {
  test('is no longer asked, and asked again after a while; loud in the log both times', async () => {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(1_000);
    try {
      let fails = true;
      let asked = 0;
      const { mail, log, runner } = runnerOf([
        {
          mail() {
            asked++;
            if (fails) throw new Error('no database');
            return deny('works');
          },
        },
      ]);
      for (let time = 0; time < 3 * MAX_IN_A_ROW; time++) expect(await mail()).toBe('DECLINED');
      expect(asked).toBe(MAX_IN_A_ROW);
      expect(log).toHaveLength(MAX_IN_A_ROW + 1);
      expect(log.at(-1)).toBe(
        '[c1] (mail) p1: Plugin p1 failed again and again: out of hook mail for 30 s (10 failures in 10 calls, out for the 1st time)',
      );
      fails = false;
      clock.mockReturnValue(1_000 + FIRST_PAUSE_MS);
      expect(await mail()).toBe('DENY works');
      expect(log.at(-1)).toContain('Plugin p1 is back in hook mail');
      expect(runner.statistics()).toMatchObject([{ isOut: false, trips: 1 }]);
    } finally {
      clock.mockRestore();
    }
  });

  test('keeps putting clients off where the next plugin must not decide', async () => {
    const { runner, session } = runnerOf([
      {
        rcpt: () => {
          throw new Error('no database');
        },
      },
      { rcpt: () => ok() },
    ]);
    const rcpt = (): Promise<Verdict> | Verdict =>
      runner.run('rcpt', session, address('<a@b.example>'), NO_PARAMETERS);
    for (let time = 0; time < 2 * MAX_IN_A_ROW; time++) expect(words(await rcpt())).toMatch(/^DENYSOFT/);
  });

  test('is out of that hook alone', async () => {
    const { runner, session, mail } = runnerOf([
      {
        mail: () => {
          throw new Error('no database');
        },
        quit: () => ok('bye'),
      },
    ]);
    for (let time = 0; time < MAX_IN_A_ROW; time++) await mail();
    expect(words(await runner.run('quit', session))).toBe('OK bye');
  });
});

describe('a client that vanishes while a hook is asked', () => {
  test('no further plugin is asked, and no further one tells the client anything', async () => {
    const asked: string[] = [];
    const { mail, session } = runnerOf([
      {
        async mail() {
          asked.push('first');
          session.isOpen = false;
        },
      },
      { mail: () => void asked.push('second') },
    ]);
    expect(await mail()).toBe('DECLINED');
    expect(asked).toEqual(['first']);
  });

  test('the hooks of the farewell reach every plugin all the same', async () => {
    const told: string[] = [];
    const { runner, session } = runnerOf([
      { disconnect: async () => void told.push('first') },
      { disconnect: () => void told.push('second') },
    ]);
    session.isOpen = false;
    await runner.runAll('disconnect', session);
    expect(told).toEqual(['first', 'second']);
  });
});

describe('timing', () => {
  test('every answer that comes later is timed, of the others one in 64', async () => {
    const { runner, session, mail } = runnerOf([{ mail: async () => undefined, quit: () => undefined }]);
    await mail();
    for (let time = 0; time < 128; time++) runner.run('quit', session);
    expect(runner.statistics()).toMatchObject([
      { hook: 'mail', calls: 1, waited: { count: 1 } },
      { hook: 'quit', calls: 128, waited: { count: 0 }, held: { count: 2 } },
    ]);
  });
});
