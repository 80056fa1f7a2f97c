import { expect, test } from 'vitest';
import type { ProgramResult } from '../../bindings/plugin/programs.ts';
import quitFortune from '../../plugins/quit_fortune.ts';
import { fakeServices, given, words } from './plugin-context.ts';

const fortune = (result: ProgramResult | Error) => {
  const runs: unknown[] = [];
  const programs = {
    ...fakeServices().programs,
    isExecutable: (path: string) => path === '/usr/games/fortune',
    run: (path: string, line: readonly string[]) => {
      runs.push([path, ...line]);
      return result instanceof Error ? Promise.reject(result) : Promise.resolve(result);
    },
  };
  const plugin = given(quitFortune, { services: { programs } });
  plugin.session.connection.hello = 'helo';
  return { ...plugin, runs };
};

test('quit_fortune has no hook where fortune is not installed', () => {
  expect(given(quitFortune).plugin.hooks).toEqual({});
});

test('quit_fortune ends a HELO session with a fortune below its name', async () => {
  const { ask, runs } = fortune({ exitCode: 0, output: 'Ask not,\n\twhat\u0007\n' });
  const { lines } = await ask('quit');
  expect(lines).toEqual(['mx.example closing connection.', '  / Ask not,', '  /     what?']);
  expect(runs).toEqual([['/usr/games/fortune', '-s']]);
});

test.each(['ehlo', undefined] as const)('quit_fortune leaves sessions with hello %s alone', async (hello) => {
  const { ask, runs, session } = fortune({ exitCode: 0, output: 'x' });
  session.connection.hello = hello;
  expect(words(await ask('quit'))).toBe('DECLINED');
  expect(runs).toEqual([]);
});

test('quit_fortune keeps reply lines within RFC 5321 section 4.5.3.1.5, and the reply short', async () => {
  const { ask } = fortune({ exitCode: 0, output: `${'x'.repeat(5_000)}\n`.repeat(500) });
  const { lines } = await ask('quit');
  expect(lines).toHaveLength(21);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(506);
});

test('quit_fortune has no opinion when fortune fails', async () => {
  expect(words(await fortune({ exitCode: 1, output: 'oops' }).ask('quit'))).toBe('DECLINED');
  const failing = fortune(new Error('took too long'));
  expect(words(await failing.ask('quit'))).toBe('DECLINED');
  expect(failing.log).toEqual(['[c1] (quit) quit_fortune: no fortune: Error: took too long']);
});
