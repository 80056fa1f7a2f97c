import { unescapeOctets } from './escapes.ts';

/**
 * One step of a script: what the client does next.
 *
 * - `command` sends a line and reads one reply; `patient: false` waits for it only briefly, where none is expected;
 * - `octets` sends exactly what it says and reads nothing;
 * - `reply` reads one reply, `pause` waits, `tls` starts the handshake, `end` reads until the server closes.
 */
export type Step =
  | { readonly kind: 'command'; readonly text: string; readonly patient: boolean }
  | { readonly kind: 'octets'; readonly text: string; readonly octets: Buffer }
  | { readonly kind: 'reply' }
  | { readonly kind: 'pause'; readonly ms: number }
  | { readonly kind: 'tls' }
  | { readonly kind: 'end' };

/** A script line that means nothing, with where it stands. */
export class ScriptError extends Error {
  readonly line: number;

  constructor(line: number, problem: string) {
    super(`line ${line}: ${problem}`);
    this.name = 'ScriptError';
    this.line = line;
  }
}

/**
 * Reads a script. A line is a letter, a blank and an argument:
 *
 *     C text   send text and CRLF, read one reply of one or more lines
 *     N text   the same where no reply is expected: wait for it only briefly
 *     R text   send these octets, with \r \n \t \\ \xHH, and read nothing
 *     S        read one reply
 *     W secs   wait
 *     T        start TLS
 *     E        read until the server closes
 *     # text   a comment; empty lines are skipped too
 */
export function parseScript(source: string): readonly Step[] {
  const steps: Step[] = [];
  source.split('\n').forEach((line, index) => {
    if (line === '' || line.startsWith('#')) return;
    steps.push(parseStep(line, index + 1));
  });
  return steps;
}

function parseStep(line: string, number: number): Step {
  const text = line.slice(2);
  if (line.length > 1 && line[1] !== ' ')
    throw new ScriptError(number, `"${line}" wants a blank after the letter`);
  switch (line[0]) {
    case 'C':
      return { kind: 'command', text, patient: true };
    case 'N':
      return { kind: 'command', text, patient: false };
    case 'R':
      return { kind: 'octets', text, octets: parseOctets(text, number) };
    case 'W':
      return { kind: 'pause', ms: parseSeconds(text, number) };
    case 'S':
      return { kind: 'reply' };
    case 'T':
      return { kind: 'tls' };
    case 'E':
      return { kind: 'end' };
    default:
      throw new ScriptError(number, `"${line}" starts with none of C N R S W T E #`);
  }
}

function parseOctets(text: string, number: number): Buffer {
  try {
    return unescapeOctets(text);
  } catch (error) {
    throw new ScriptError(number, error instanceof Error ? error.message : String(error));
  }
}

function parseSeconds(text: string, number: number): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new ScriptError(number, `"${text}" is not a number of seconds`);
  return Number(text) * 1000;
}
