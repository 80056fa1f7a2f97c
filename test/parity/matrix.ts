import { connectWire } from '../dialogue/stream-wire.ts';
import type { Arrival, Wire } from '../dialogue/wire.ts';
import { isContinued } from '../dialogue/record.ts';

const GREETED = ['EHLO c.example'];
const SENDER = [...GREETED, 'MAIL FROM:<s@c.example>'];
const RECIPIENT = [...SENDER, 'RCPT TO:<u@good.example>'];
const DATA = [...RECIPIENT, 'DATA'];
/** The word that stands for a whole message. */
const MESSAGE = 'MESSAGE';
const DELIVERED = [...DATA, MESSAGE];

/** Each hook of the matrix, and the commands up to and including the one that calls it. */
const SESSIONS: Readonly<Record<string, readonly string[]>> = {
  'pre-connection': [],
  connect: [],
  helo: ['HELO c.example'],
  ehlo: GREETED,
  mail_pre: SENDER,
  mail: SENDER,
  rcpt_pre: RECIPIENT,
  rcpt: RECIPIENT,
  data: DATA,
  data_headers_end: DELIVERED,
  data_post_headers: DELIVERED,
  data_post: DELIVERED,
  queue_pre: DELIVERED,
  queue: DELIVERED,
  queue_post: DELIVERED,
  received_line: DELIVERED,
  vrfy: ['VRFY x'],
  noop: ['NOOP'],
  quit: ['QUIT'],
  help: ['HELP x y'],
  unrecognized_command: ['BOGUS a b'],
  'auth-plain': [...GREETED, 'AUTH PLAIN AHVzZXJAZ29vZC5leGFtcGxlAHNlY3JldA=='],
  auth: [...GREETED, 'AUTH PLAIN AG5vYm9keUBub3doZXJlAHdyb25n'],
  reset_transaction: [...SENDER, 'RSET'],
  disconnect: ['QUIT'],
  'post-connection': ['QUIT'],
};

const CODES = [
  'OK',
  'DENY',
  'DENYSOFT',
  'DENY_DISCONNECT',
  'DENYSOFT_DISCONNECT',
  'DONE',
  'UNDEF',
  'DIE',
  '12345',
];
const BODY = 'From: s@c.example\r\nSubject: x\r\n\r\nbody\r\n.\r\n';

/** One cell: what the probe is told, and how it is called in the recorded matrix. */
export interface Probe {
  readonly hook: string;
  /** `DENY` or `DENY +msg` */
  readonly name: string;
  /** The line for the probe's file. */
  readonly order: string;
}

/** Every hook with every code, with and without a message of two lines. */
export function listProbes(): Probe[] {
  return Object.keys(SESSIONS).flatMap((hook) => [
    { hook, name: 'DECLINED', order: 'none DECLINED' },
    ...CODES.flatMap((code) => {
      const bare = { hook, name: code, order: `${hook} ${code}` };
      const hasMessage = code !== 'UNDEF' && code !== 'DIE';
      return hasMessage ? [bare, { hook, name: `${code} +msg`, order: `${bare.order} one\\ntwo` }] : [bare];
    }),
  ]);
}

/** Reads a recorded matrix into `hook CODE` → `reply [state]`. */
export function parseMatrix(recorded: string): Map<string, string> {
  const cells = new Map<string, string>();
  let hook = '';
  for (const line of recorded.split('\n')) {
    if (line.startsWith('== ')) hook = line.slice(3);
    const cell = /^ {3}(\S+(?: \+msg)?) +(.*)$/.exec(line);
    if (cell !== null) cells.set(`${hook} ${cell[1]!}`, normaliseCell(cell[2]!));
  }
  return cells;
}

const normaliseCell = (cell: string): string =>
  cell
    .replace(/ESMTP qpsmtpd \S+ ready;/, 'ESMTP qpsmtpd VERSION ready;')
    .replace(/214-This is qpsmtpd \S+ \|/, '214-This is qpsmtpd VERSION |');

/** A recorded cell as it reads from a daemon that offers no AUTH. */
export const withoutAuthLine = (cell: string): string =>
  cell.replace(/250-(\S+) \| 250 AUTH [^[]*\[/, '250 $1 [');

/** Plays the session of a probe and says what the last command was answered, and whether the connection is open. */
export async function observe(port: number, { hook }: Probe, quietMs: number): Promise<string> {
  const wire = await connectWire(port);
  try {
    let reply = await readWhole(wire, quietMs);
    for (const command of SESSIONS[hook]!) {
      if (!(await trySend(wire, command === MESSAGE ? BODY : `${command}\r\n`))) {
        reply = `(closed) after ${reply}`;
        break;
      }
      reply = await readWhole(wire, quietMs);
    }
    return normaliseCell(`${reply.trim()} [${await stateOf(wire, quietMs)}]`);
  } finally {
    wire.close();
  }
}

async function stateOf(wire: Wire, quietMs: number): Promise<string> {
  if (!(await trySend(wire, 'RSET\r\n'))) return 'closed';
  const reply = await readWhole(wire, quietMs);
  if (reply.startsWith('2')) return 'open';
  return reply.includes('(EOF)') || reply.includes('(RST)') ? 'closed' : `then:${reply.trim()}`;
}

async function trySend(wire: Wire, text: string): Promise<boolean> {
  try {
    await wire.send(Buffer.from(text, 'latin1'));
    return true;
  } catch {
    return false;
  }
}

/** One reply as text, its lines joined with ` | `; what came instead of it in parentheses. */
async function readWhole(wire: Wire, quietMs: number): Promise<string> {
  const lines: string[] = [];
  for (;;) {
    const arrival: Arrival = await wire.readLine(quietMs);
    if (arrival.kind === 'timeout') return lines.length === 0 ? '(nothing)' : lines.join(' | ');
    if (arrival.kind === 'reset') return '(RST)';
    if (arrival.kind === 'eof') return lines.length === 0 ? '(EOF)' : `${lines.join(' | ')} | (EOF)`;
    lines.push(arrival.octets.toString('latin1').replace(/\r\n$/, ''));
    if (!isContinued(arrival.octets)) return lines.join(' | ');
  }
}
