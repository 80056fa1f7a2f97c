/** Command lines: both cores on the same octets, and cut input against the same input whole. */
import { observeCommands } from '../../core/observe.ts';
import { cutAt, receiveCommands, type ReceivedCommands } from '../../core/receive.ts';
import { CommandWord } from '../../../bindings/core.ts';
import { chooseCuts, embed, mustEqual, poison, reference, wasm } from '../cores.ts';
import type { Target } from '../target.ts';

/** Cutting costs a copy of the unfinished line per chunk; beyond this size one comparison must do. */
const MAX_TO_CUT = 20_000;

export const target: Target = {
  name: 'commands',
  dictionary: [
    'MAIL FROM:<',
    'RCPT TO:<',
    'a@b>',
    '<>',
    ' SIZE=1',
    ' A',
    '=',
    ' ',
    '\t',
    '\r\n',
    'STARTTLS',
    'XCLIENT',
    'XFORWARD',
  ],
  run(input, random) {
    const { chunk, from } = embed(input, random);
    for (let at = from; ;) {
      poison(chunk.length, random);
      const seen = observeCommands(wasm, chunk, at);
      mustEqual(seen, observeCommands(reference, chunk, at), 'wasm and reference differ');
      if (seen.consumed === 0) break;
      at += seen.consumed;
    }
    if (input.length > MAX_TO_CUT) return;
    const whole = settle(receiveCommands(wasm, [input]));
    const cut = settle(receiveCommands(wasm, cutAt(input, chooseCuts(input.length, random))));
    mustEqual(cut, whole, 'the result depends on where the input is cut');
  },
};

const POSITIONS: readonly number[] = [
  CommandWord.line,
  CommandWord.lineEnd,
  CommandWord.next,
  CommandWord.verbEnd,
  CommandWord.argument,
  CommandWord.path,
  CommandWord.pathEnd,
  CommandWord.at,
];

/** Positions as of the whole input, and without the index into a table that is new for every call. */
function settle({ commands, rest }: ReceivedCommands): unknown {
  return {
    rest,
    commands: commands.map(({ base, record, parameters }) => ({
      record: record.map((value, word) => {
        if (word === CommandWord.firstParameter) return 0;
        return value === -1 || !POSITIONS.includes(word) ? value : value + base;
      }),
      parameters: parameters.map((words) => words.map((value) => (value === -1 ? value : value + base))),
    })),
  };
}
