import { describe, expect, test } from 'vitest';
import {
  decline,
  declined,
  deny,
  denySoft,
  fail,
  error,
  LogLevel,
  ok,
  type Verdict,
} from '../../bindings/plugin/index.ts';
import type { Hooks } from '../../bindings/plugin/hooks.ts';
import { setUpPlugin } from '../../host/hooks/loaded-plugin.ts';
import { parsePluginLine } from '../../host/hooks/plugin-line.ts';
import { HookRunner } from '../../host/hooks/runner.ts';
import {
  address,
  collectingLogger,
  fakeConfig,
  fakeServices,
  FakeSession,
  freshTransaction,
  NO_PARAMETERS,
  words,
} from './plugin-context.ts';

/** A runner over plugins p1, p2 and so on, or over those named in `lines`. */
function runnerOf(
  hooks: Hooks<unknown>[],
  { level = LogLevel.INFO as LogLevel, lines = [] as string[] } = {},
) {
  const { logger, lines: log } = collectingLogger(level);
  const environment = { config: fakeConfig({}), services: fakeServices(), logger };
  const plugins = hooks.map((own, index) => {
    const line = parsePluginLine({
      text: lines[index] ?? `p${index + 1}`,
      place: { file: 'plugins', line: index + 1 },
    });
    return setUpPlugin({ name: line.file, about: '', hooks: own }, line, environment);
  });
  return { runner: new HookRunner(plugins, logger), session: new FakeSession(), log };
}

const someone = address('<a@b.example>');
const garbage = (value: unknown): never => value as never;

describe('order', () => {
  test('plugins are asked in the order of their lines until one has an opinion', () => {
    const asked: string[] = [];
    const { runner, session } = runnerOf([
      { mail: () => void asked.push('first') },
      { mail: () => (asked.push('second'), declined) },
      { mail: () => (asked.push('third'), deny('no')) },
      { mail: () => (asked.push('fourth'), ok()) },
    ]);
    expect(words(runner.run('mail', session, someone, NO_PARAMETERS) as Verdict)).toBe('DENY no');
    expect(asked).toEqual(['first', 'second', 'third']);
  });

  test('the chain goes on in order after a hook that answers later', async () => {
    const asked: string[] = [];
    const { runner, session } = runnerOf([
      { mail: async () => void asked.push('first') },
      { mail: () => void asked.push('second') },
      { mail: async () => (asked.push('third'), denySoft('later')) },
      { mail: () => (asked.push('fourth'), ok()) },
    ]);
    expect(words(await runner.run('mail', session, someone, NO_PARAMETERS))).toBe('DENYSOFT later');
    expect(asked).toEqual(['first', 'second', 'third']);
  });

  test('a hook nobody has is DECLINED, and has() says so', () => {
    const { runner, session } = runnerOf([{ mail: () => undefined }]);
    expect(runner.has('mail')).toBe(true);
    expect(runner.has('rcpt')).toBe(false);
    expect(runner.run('quit', session)).toBe(declined);
  });

  test('hooks get their words', () => {
    const told: unknown[] = [];
    const { runner, session } = runnerOf([{ ehlo: (_, host, rest) => void told.push(host, rest) }]);
    runner.run('ehlo', session, 'client.example', ['x']);
    expect(told).toEqual(['client.example', ['x']]);
  });
});

describe('synchronous as long as possible', () => {
  test('no promise is made while hooks answer at once', () => {
    const { runner, session } = runnerOf([
      { mail: () => undefined, ok: () => undefined },
      { mail: () => ok() },
    ]);
    expect(runner.run('mail', session, someone, NO_PARAMETERS)).not.toBeInstanceOf(Promise);
    expect(runner.runAll('disconnect', session)).toBeUndefined();
  });

  test('a promise comes back only when a hook returned one', () => {
    const { runner, session } = runnerOf([{ mail: async () => ok() }]);
    expect(runner.run('mail', session, someone, NO_PARAMETERS)).toBeInstanceOf(Promise);
  });
});

describe('all decline', () => {
  test('the words of the last plugin that had some are kept', async () => {
    const { runner, session } = runnerOf([
      { queue: () => decline('queue error (open)') },
      { queue: async () => decline('queue error (link)') },
      { queue: () => undefined },
    ]);
    expect(words(await runner.run('queue', session))).toBe('DECLINED queue error (link)');
  });
});

describe('failures', () => {
  const thrower = (): never => {
    throw new RangeError('broken');
  };

  test.each([
    ['throws', thrower],
    ['rejects', () => Promise.reject(new RangeError('broken'))],
  ])('a check that %s is logged at CRIT and passed over', async (_, hook) => {
    const { runner, session, log } = runnerOf([{ mail: hook }, { mail: () => deny('next') }], { level: 2 });
    expect(words(await runner.run('mail', session, someone, NO_PARAMETERS))).toBe('DENY next');
    expect(log).toHaveLength(1);
    expect(log[0]).toMatch(
      /^\[c1\] \(mail\) p1: FATAL PLUGIN ERROR \[p1\]: hook mail: RangeError: broken at /,
    );
  });

  test.each(['rcpt', 'queue', 'auth', 'auth-plain', 'auth-login', 'auth-cram-md5'] as const)(
    'where %s fails the client is put off: the next plugin must not accept what this one might have refused',
    async (hook) => {
      for (const failing of [thrower, () => Promise.reject(new Error('broken'))]) {
        const { runner, session } = runnerOf([{ [hook]: failing }, { [hook]: () => ok() }]);
        const verdict = await (runner.run as (...given: unknown[]) => Verdict).call(
          runner,
          hook,
          session,
          someone,
        );
        expect(words(verdict)).toBe('DENYSOFT Internal error - please try again later (#3.0)');
      }
    },
  );

  test('on_error skip and defer overrule the hook', async () => {
    const skipping = runnerOf([{ rcpt: thrower }], { lines: ['p1 on_error skip'] });
    expect(words(await skipping.runner.run('rcpt', skipping.session, someone, NO_PARAMETERS))).toBe(
      'DECLINED',
    );
    const deferring = runnerOf([{ mail: thrower }, { connect: () => error('no answer') }], {
      lines: ['p1 on_error defer', 'p2 on_error defer'],
    });
    expect(words(await deferring.runner.run('mail', deferring.session, someone, NO_PARAMETERS))).toMatch(
      /^DENYSOFT/,
    );
    expect(words(await deferring.runner.run('connect', deferring.session))).toMatch(/^DENYSOFT/);
  });

  test('an error finding is no opinion, and in the log', async () => {
    const { runner, session, log } = runnerOf([{ connect: () => error('no answer') }]);
    expect(words(await runner.run('connect', session))).toBe('DECLINED');
    expect(log).toEqual(['[c1] (connect) p1: error, no answer']);
  });

  test.each([
    ['null', null],
    ['a number', 901],
    ['a string', 'OK'],
    ['an unknown code', { kind: 'verdict', code: 1, lines: [] }],
    ['lines that are no strings', { kind: 'verdict', code: 901, lines: [1] }],
    ['lines that are no list', { kind: 'verdict', code: 901, lines: 'no' }],
    ['an unknown finding', { kind: 'maybe', text: '' }],
    ['a finding without text', { kind: 'fail' }],
    ['an object with nothing in it', {}],
  ])('%s is no answer: it is logged and the next plugin is asked', async (_, value) => {
    const { runner, session, log } = runnerOf([{ mail: () => garbage(value) }, { mail: () => deny('next') }]);
    expect(words(await runner.run('mail', session, someone, NO_PARAMETERS))).toBe('DENY next');
    expect(log).toHaveLength(1);
    expect(log[0]).toMatch(/^\[c1\] \(mail\) p1: Plugin p1, hook mail returned /);
  });

  test.each(['then', 'kind'])(
    'an answer that throws when its `%s` is looked at is a failure',
    async (property) => {
      const answer = Object.defineProperty({}, property, {
        get: () => {
          throw new Error('trap');
        },
      });
      const { runner, session } = runnerOf([{ mail: () => garbage(answer) }, { mail: () => deny('next') }]);
      expect(words(await runner.run('mail', session, someone, NO_PARAMETERS))).toBe('DENY next');
    },
  );

  test('a thrown value of any kind can be logged', async () => {
    const thrown: unknown[] = [undefined, null, 'text', Symbol('s'), Object.create(null), 12n];
    for (const value of thrown) {
      const { runner, session, log } = runnerOf([
        {
          mail: () => {
            throw value;
          },
        },
      ]);
      expect(words(await runner.run('mail', session, someone, NO_PARAMETERS))).toBe('DECLINED');
      expect(log[0]).toContain('FATAL PLUGIN ERROR [p1]: hook mail: ');
    }
  });
});

describe('deny and ok', () => {
  test('learn of every verdict of other hooks, DECLINED included, but not of their own', async () => {
    const told: string[] = [];
    const note = (hook: string) => (_: unknown, plugin: string, verdict: Verdict) => {
      told.push(`${hook}: ${plugin} ${words(verdict)}`);
      return deny('ignored');
    };
    const { runner, session } = runnerOf([
      { mail: () => undefined, deny: note('deny'), ok: note('ok') },
      { mail: () => fail('found') },
    ]);
    expect(words(await runner.run('mail', session, someone, NO_PARAMETERS))).toBe('DENY found');
    expect(told).toEqual(['ok: p1 DECLINED', 'deny: p2 DENY found']);
  });

  test('are waited for when they answer later, and cannot fail the chain', async () => {
    const told: string[] = [];
    const { runner, session } = runnerOf([
      {
        mail: () => deny('no'),
        deny: async () => {
          await Promise.resolve();
          told.push('deny');
          throw new Error('broken');
        },
      },
    ]);
    const verdict = await runner.run('mail', session, someone, NO_PARAMETERS);
    expect(words(verdict)).toBe('DENY no');
    expect(told).toEqual(['deny']);
  });
});

describe('runAll', () => {
  test('tells everyone, whatever they return and however they fail', async () => {
    const told: string[] = [];
    const { runner, session } = runnerOf([
      { disconnect: () => (told.push('denies'), deny('no')) },
      {
        disconnect: () => {
          told.push('throws');
          throw new Error('broken');
        },
      },
      { disconnect: async () => (told.push('answers later'), ok()) },
      { disconnect: () => (told.push('rejects'), Promise.reject(new Error('broken'))) },
      { disconnect: () => void told.push('last') },
    ]);
    await runner.runAll('disconnect', session);
    expect(told).toEqual(['denies', 'throws', 'answers later', 'rejects', 'last']);
  });
});

describe('context', () => {
  test('is made once for each plugin and session, when first asked, and sees each new transaction', () => {
    const seen: unknown[] = [];
    const look: Hooks<unknown>['mail'] = (context) => void seen.push(context, context.transaction);
    const { runner, session } = runnerOf([{ rcpt: () => undefined }, { mail: look }]);
    expect(session.contexts).toHaveLength(0);
    runner.run('mail', session, someone, NO_PARAMETERS);
    session.transaction = freshTransaction();
    runner.run('mail', session, someone, NO_PARAMETERS);
    expect(seen[2]).toBe(seen[0]);
    expect(seen[3]).toBe(session.transaction);
    expect(seen[1]).not.toBe(session.transaction);
    expect(session.contexts[0]).toBeUndefined();
  });

  test('its log names plugin, hook and connection, at the level the line asks for', () => {
    const say: Hooks<unknown> = { mail: ({ log }) => log.info('hello'), quit: ({ log }) => log.error('bye') };
    const { runner, session, log } = runnerOf([say, say, say, say], {
      level: 5,
      lines: ['a', 'b:2 loglevel -1', 'c loglevel 0', 'd loglevel +7'],
    });
    runner.run('mail', session, someone, NO_PARAMETERS);
    runner.run('quit', session);
    expect(log).toEqual([
      '[c1] (mail) b:2: hello',
      '[c1] (mail) c: hello',
      '[c1] (quit) a: bye',
      '[c1] (quit) b:2: bye',
      '[c1] (quit) c: bye',
    ]);
  });

  test('adjustKarma may be taken out of the context', () => {
    const { runner, session } = runnerOf([{ mail: ({ adjustKarma }) => void adjustKarma(-3) }]);
    runner.run('mail', session, someone, NO_PARAMETERS);
    expect(session.connection.karma).toBe(-3);
  });

  test('results are logged at DEBUG only', () => {
    for (const [level, count] of [
      [6, 0],
      [7, 1],
    ] as const) {
      const { runner, session, log } = runnerOf([{ mail: () => deny('no') }], { level });
      runner.run('mail', session, someone, NO_PARAMETERS);
      expect(log).toEqual(['[c1] (mail) p1: Plugin p1, hook mail returned DENY, no'].slice(0, count));
    }
  });
});
