import { expect, test } from 'vitest';
import { MemoryPrograms, type Program, testPlugin, printVerdict } from '../../host/testing/index.ts';
import quitFortune from '../../plugins/quit_fortune.ts';

function fortune(program: Program) {
  const programs = new MemoryPrograms({ '/usr/games/fortune': program });
  const { ask, log, session } = testPlugin(quitFortune, { programs, client: { hello: 'helo' } });
  return { ask, log, session, programs };
}

test('quit_fortune has no hook where fortune is not installed', () => {
  expect(testPlugin(quitFortune).hooks).toEqual([]);
});

test('quit_fortune ends a HELO session with a fortune below its name', async () => {
  const { ask, programs } = fortune({ exitCode: 0, output: 'Ask not,\n\twhat\u0007\n' });
  const { lines } = await ask('quit');
  expect(lines).toEqual(['mx.example closing connection.', '  / Ask not,', '  /     what?']);
  expect(programs.calls).toMatchObject([{ path: '/usr/games/fortune', arguments: ['-s'] }]);
});

test.each(['ehlo', undefined] as const)('quit_fortune leaves sessions with hello %s alone', async (hello) => {
  const { ask, programs, session } = fortune({ exitCode: 0, output: 'x' });
  session.connection.hello = hello;
  expect(printVerdict(await ask('quit'))).toBe('DECLINED');
  expect(programs.calls).toEqual([]);
});

test('quit_fortune keeps reply lines within RFC 5321 section 4.5.3.1.5, and the reply short', async () => {
  const { ask } = fortune({ exitCode: 0, output: `${'x'.repeat(5_000)}\n`.repeat(500) });
  const { lines } = await ask('quit');
  expect(lines).toHaveLength(21);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(506);
});

test('quit_fortune has no opinion when fortune fails', async () => {
  expect(printVerdict(await fortune({ exitCode: 1, output: 'oops' }).ask('quit'))).toBe('DECLINED');
  const failing = fortune(() => {
    throw new Error('took too long');
  });
  expect(printVerdict(await failing.ask('quit'))).toBe('DECLINED');
  expect(failing.log).toEqual(['[c1] (quit) quit_fortune: no fortune: Error: took too long']);
});
