import { expect, test } from 'vitest';
import { testPlugin, printVerdict } from '../../host/testing/index.ts';
import countUnrecognizedCommands from '../../plugins/count_unrecognized_commands.ts';

const closing = (count: number): string =>
  `DENY_DISCONNECT Closing connection, ${count} unrecognized commands. Perhaps you should read RFC 2821?`;

test.each([
  ['', 4],
  ['2', 2],
  ['max 1', 1],
])('count_unrecognized_commands %s closes at unknown command number %d', async (line, limit) => {
  const { ask } = testPlugin(countUnrecognizedCommands, { options: line });
  for (let count = 1; count < limit; count++) {
    expect(printVerdict(await ask('unrecognized_command', 'foo', ''))).toBe('DECLINED');
  }
  expect(printVerdict(await ask('unrecognized_command', 'foo', ''))).toBe(closing(limit));
});

test('two instances share the count of a connection', async () => {
  const first = testPlugin(countUnrecognizedCommands, { options: '3' });
  const second = testPlugin(countUnrecognizedCommands, { options: '3' });
  second.session.connection = first.session.connection;
  await first.ask('unrecognized_command', 'a', '');
  await second.ask('unrecognized_command', 'b', '');
  expect(printVerdict(await first.ask('unrecognized_command', 'c', ''))).toBe(closing(3));
  expect(first.log).toEqual([
    "[c1] (unrecognized_command) count_unrecognized_commands: 'a', (1)",
    "[c1] (unrecognized_command) count_unrecognized_commands: fail, 'c' (3)",
  ]);
});

test.each(['0', '-1', 'four', '1e3'])('a limit of %s is refused', (limit) => {
  expect(() => testPlugin(countUnrecognizedCommands, { options: limit })).toThrow(
    /max: must be a whole number/,
  );
});
