import { describe, expect, test } from 'vitest';
import {
  connectionNote,
  connectionTask,
  definePlugin,
  deny,
  hooksOf,
  LogLevel,
  ok,
  transactionTask,
  z,
} from '../../bindings/plugin/index.ts';
import { Notes } from '../../bindings/plugin/notes.ts';
import type { Hooks } from '../../bindings/plugin/hooks.ts';
import { MAX_NOTE_OCTETS, MAX_NOTES } from '../../bindings/plugin/notes.ts';
import { setUpPlugin } from '../../host/hooks/loaded-plugin.ts';
import { parsePluginLine } from '../../host/hooks/plugin-line.ts';
import { HookRunner } from '../../host/hooks/runner.ts';
import {
  address,
  collectingLogger,
  fakeConfig,
  fakeServices,
  FakeSession,
  given,
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

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
};

describe('tasks', () => {
  const lookup = connectionTask<string>('lookup');
  const check = transactionTask<string>('check');

  test('work that one hook begins is waited for by another, also of another plugin', async () => {
    const { runner, session, mail } = runnerOf([
      { connect: ({ tasks }) => tasks.start(lookup, async () => 'listed') },
      { mail: async ({ tasks }) => deny(await tasks.result(lookup)) },
    ]);
    await runner.run('connect', session);
    expect(await mail()).toBe('DENY listed');
  });

  test('work that fails is a failure of the plugin that asks for it, and of no other', async () => {
    const { runner, session, mail, log } = runnerOf([
      {
        connect({ tasks }) {
          tasks.start(lookup, () => Promise.reject(new Error('no answer')));
          tasks.start(check, () => {
            throw new Error('at once');
          });
        },
        mail: async ({ tasks }) => void (await tasks.result(lookup)),
      },
    ]);
    await runner.run('connect', session);
    await turns(5);
    expect(log).toEqual([]);
    expect(await mail()).toBe('DECLINED');
    expect(log[0]).toContain('hook mail: Error: no answer');
  });

  test('work that was not begun has no result, and work begun again replaces the first', async () => {
    const { session } = runnerOf([]);
    expect(session.tasks.result(lookup)).toBeUndefined();
    const signals: AbortSignal[] = [];
    const begin = (signal: AbortSignal): string => `${signals.push(signal)}`;
    session.tasks.start(lookup, begin);
    session.tasks.start(lookup, begin);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(await session.tasks.result(lookup)).toBe('2');
  });

  test('work ends with its lifetime', () => {
    const { session } = runnerOf([]);
    const aborted: string[] = [];
    const begin = (name: string) => (signal: AbortSignal) => {
      signal.addEventListener('abort', () => aborted.push(name));
      return name;
    };
    session.tasks.start(lookup, begin('lookup'));
    session.tasks.start(check, begin('check'));
    session.tasks.endTransaction();
    expect(aborted).toEqual(['check']);
    expect(session.tasks.result(check)).toBeUndefined();
    session.tasks.endConnection();
    expect(aborted).toEqual(['check', 'lookup']);
  });

  test('work begun after the client has left is aborted from the start', async () => {
    const { session } = runnerOf([]);
    session.tasks.close();
    session.tasks.start(lookup, ({ aborted }) => `${aborted}`);
    expect(await session.tasks.result(lookup)).toBe('true');
  });
});

describe('notes', () => {
  const text = connectionNote<string | Buffer | string[]>('text');

  test('hold a bounded number of octets; what is too much throws and changes nothing', () => {
    const notes = new Notes<'connection'>();
    notes.set(text, 'a'.repeat(MAX_NOTE_OCTETS));
    expect(() => notes.set(connectionNote<string>('more'), 'a')).toThrow(RangeError);
    expect(() => notes.set(text, Buffer.alloc(MAX_NOTE_OCTETS + 1))).toThrow(RangeError);
    expect(() => notes.set(text, ['a'.repeat(MAX_NOTE_OCTETS), 'b'])).toThrow(RangeError);
    expect(notes.get(text)).toHaveLength(MAX_NOTE_OCTETS);
    notes.set(text, 'small');
    notes.set(connectionNote<string>('more'), 'a'.repeat(MAX_NOTE_OCTETS - 5));
    notes.delete(connectionNote<string>('more'));
    notes.set(text, Buffer.alloc(MAX_NOTE_OCTETS));
  });

  test('are a bounded number', () => {
    const notes = new Notes<'connection'>();
    for (let number = 0; number < MAX_NOTES; number++) notes.set(connectionNote<number>(`${number}`), number);
    expect(() => notes.set(connectionNote<number>('one more'), 1)).toThrow(RangeError);
    notes.set(connectionNote<number>('0'), 1);
  });
});

describe('building on another plugin', () => {
  const parent = definePlugin({
    name: 'parent',
    about: '',
    options: z.object({ word: z.string().default('parent') }),
    hooks: ({ options }) => ({ mail: () => deny(options.word), quit: () => ok('bye') }),
  });

  test('takes its hooks over, alters them, and adds options', async () => {
    const child = definePlugin({
      name: 'child',
      about: '',
      options: parent.options!.extend({ loud: z.string().optional() }),
      hooks(setup) {
        const inherited = hooksOf(parent, setup);
        return {
          ...inherited,
          mail: (context, path, parameters) =>
            setup.options.loud === undefined ? ok() : inherited.mail?.(context, path, parameters),
        };
      },
    });
    for (const [line, answer] of [
      ['', 'OK'],
      ['loud 1 word mine', 'DENY mine'],
    ] as const) {
      const { ask } = given(child, { words: line });
      expect(words(await ask('mail', address('<a@b.example>'), NO_PARAMETERS))).toBe(answer);
      expect(words(await ask('quit'))).toBe('OK bye');
    }
  });
});

describe('configuration for one user', () => {
  test('comes from the hook user_config, else from the file', async () => {
    const { mail, log } = runnerOf([
      {
        user_config: (_, { localPart }, name) =>
          localPart === 'a' && name === 'list' ? ok(['of a', 'and more']) : undefined,
        async mail({ linesFor, log }) {
          log.error((await linesFor(address('<a@b.example>'), 'list')).join());
          log.error((await linesFor(address('<c@b.example>'), 'list')).join());
        },
      },
    ]);
    await mail();
    expect(log).toEqual(['[c1] (mail) p1: of a,and more', '[c1] (mail) p1: of all']);
  });

  test('a plugin that asks for it while it is asked for it gets the file', async () => {
    const { mail, log } = runnerOf([
      {
        user_config: async ({ linesFor }, user, name) => ok([...(await linesFor(user, name)), 'and mine']),
        async mail({ linesFor, log }) {
          log.error((await linesFor(address('<a@b.example>'), 'list')).join());
        },
      },
    ]);
    await mail();
    expect(log).toEqual(['[c1] (mail) p1: of all,and mine']);
  });
});
