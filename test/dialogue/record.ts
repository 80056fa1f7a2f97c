import type { Arrival, Wire } from './wire.ts';

/** A transcript while it grows: the lines said and heard, each as it is printed. */
export class Recorder {
  readonly lines: string[] = [];

  add(line: string): void {
    this.lines.push(line);
  }
}

/** How an arrival is printed: `S: ` and the line with its flaws made visible, or what came in its place. */
export function printArrival(arrival: Arrival): string {
  switch (arrival.kind) {
    case 'line':
      return `S: ${printLine(arrival.octets)}`;
    case 'eof':
      return 'S: [EOF]';
    case 'reset':
      return 'S: [RST]';
    case 'timeout':
      return 'S: [no reply, timeout]';
  }
}

function printLine(octets: Buffer): string {
  const text = octets.toString('latin1');
  const body = text.replace(/[\r\n]+$/, '').replaceAll('\r', '\\r');
  if (text.endsWith('\r\n')) return body;
  return `${body}${text.endsWith('\n') ? ' [bare LF]' : ' [no EOL]'}`;
}

/** True if `line` announces another line of the same reply: RFC 5321 section 4.2.1. */
export const isContinued = (line: Buffer): boolean => line.length >= 4 && line[3] === 0x2d;

/** Reads the lines of one reply, or what came instead of them. */
export async function readReply(wire: Wire, timeoutMs: number, recorder: Recorder): Promise<void> {
  for (;;) {
    const arrival = await wire.readLine(timeoutMs);
    recorder.add(printArrival(arrival));
    if (arrival.kind !== 'line' || !isContinued(arrival.octets)) return;
  }
}
