/** Dialogues as files: the client's lines and the expected replies, played against a whole server in this process. */

import { version } from '../package/package-root.ts';
import type { TestClient } from './test-client.ts';
import { TestServer } from './test-server.ts';

/** A dialogue as its file has it. */
export interface Dialogue {
  readonly title: string;
  /** Lines of `config/plugins`; undefined if the file does not say. */
  readonly plugins: readonly string[] | undefined;
  readonly config: Readonly<Record<string, readonly string[]>>;
  /** The address the client comes from. */
  readonly client: string | undefined;
  readonly lines: readonly DialogueLine[];
}

export interface DialogueLine {
  readonly kind: 'say' | 'hear';
  /** Of a line that is said: octets as characters, its line end included. */
  readonly text: string;
  /** Counted from 1. */
  readonly number: number;
}

/** The place where a reply is not what the file says. */
export interface Mismatch {
  readonly line: number;
  readonly expected: string;
  readonly heard: string;
}

/** The end of a connection, as a line of a dialogue. */
const END = '[EOF]';
const ESCAPES: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '\\': '\\' };

/**
 * Reads a dialogue. The first line is its title, after `#`. Then `# plugins: NAME WORDS | NAME`, `# config: FILE = line |
 * line`, `# client: ADDRESS`; other lines with `#` are prose. `C: ` a command line, `C| ` octets with `\r \n \t \\ \xHH`,
 * `S: ` a line the server answers: `*` in it is any text, `[EOF]` the end of the connection, VERSION the version. Throws a
 * SyntaxError with the number of a line that is none of these.
 */
export function parseDialogue(text: string): Dialogue {
  const [first = '', ...rest] = text.split(/\r?\n/);
  const config: Record<string, readonly string[]> = {};
  const lines: DialogueLine[] = [];
  let plugins: readonly string[] | undefined;
  let client: string | undefined;
  for (const [index, line] of [first, ...rest].entries()) {
    const [, directive, text = ''] = /^# (plugins|config|client): (.*)$/.exec(line) ?? [];
    if (directive === 'plugins') plugins = split(text);
    else if (directive === 'client') client = text.trim();
    else if (directive === 'config') {
      const [name = '', values = ''] = text.split(/ = (.*)/s);
      config[name.trim()] = split(values);
    } else if (line !== '' && !line.startsWith('#')) lines.push(parseLine(line, index + 1));
  }
  return { title: first.replace(/^#+ */, ''), plugins, config, client, lines };
}

const split = (text: string): readonly string[] =>
  text
    .split(' | ')
    .map((part) => part.trim())
    .filter((part) => part !== '');

function parseLine(line: string, number: number): DialogueLine {
  if (/^S: ?/.test(line)) return { kind: 'hear', text: line.slice(3).replaceAll('VERSION', version), number };
  if (line.startsWith('C| ')) return { kind: 'say', text: unescape(line.slice(3), number), number };
  if (/^C: ?/.test(line)) return { kind: 'say', text: `${line.slice(3)}\r\n`, number };
  throw new SyntaxError(`line ${number}: "${line}" starts with none of "C: ", "C| ", "S: ", "#"`);
}

function unescape(text: string, number: number): string {
  return text.replace(/\\(x[0-9a-fA-F]{2}|.?)/gs, (_, escape: string) => {
    if (escape.length === 3) return String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    const octet = ESCAPES[escape];
    if (octet === undefined)
      throw new SyntaxError(`line ${number}: \\${escape} is none of \\r \\n \\t \\\\ \\xHH`);
    return octet;
  });
}

/**
 * Plays a dialogue against a server of its own; undefined if all went as the file says. `otherwise` is for what the file
 * leaves open. Throws what would keep a daemon with that configuration from starting.
 */
export async function playDialogue(
  dialogue: Dialogue,
  otherwise: {
    readonly plugins?: readonly string[];
    readonly config?: Readonly<Record<string, string | readonly string[]>>;
  } = {},
): Promise<Mismatch | undefined> {
  const server = await TestServer.start({
    plugins: dialogue.plugins ?? otherwise.plugins ?? [],
    config: { ...otherwise.config, ...dialogue.config },
  });
  try {
    const client = server.connect(dialogue.client === undefined ? undefined : { address: dialogue.client });
    return await play(client, dialogue.lines);
  } finally {
    await server.close();
  }
}

async function play(client: TestClient, lines: readonly DialogueLine[]): Promise<Mismatch | undefined> {
  let heard: string[] = [];
  for (const { kind, text, number } of lines) {
    if (kind === 'say') {
      const [extra] = heard;
      if (extra !== undefined) return { line: number, expected: 'nothing more', heard: extra };
      client.send(text);
      continue;
    }
    if (heard.length === 0) heard = await nextReply(client);
    const line = heard.shift()!;
    if (!matches(line, text)) return { line: number, expected: text, heard: line };
  }
  const [extra] = heard;
  return extra === undefined ? undefined : { line: lines.length, expected: 'nothing more', heard: extra };
}

async function nextReply(client: TestClient): Promise<string[]> {
  try {
    const reply = await client.reply();
    return reply === '' ? [END] : reply.split('\n');
  } catch (cause) {
    return [cause instanceof Error ? `(${cause.message})` : String(cause)];
  }
}

function matches(line: string, pattern: string): boolean {
  const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${escaped}$`, 's').test(line);
}
