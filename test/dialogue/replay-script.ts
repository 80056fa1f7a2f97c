import { setTimeout as wait } from 'node:timers/promises';
import { printArrival, readReply, Recorder } from './record.ts';
import type { Step } from './script.ts';
import type { Wire } from './wire.ts';

export interface ReplayOptions {
  /** How long a reply may take; 30,000 ms unless given. */
  readonly timeoutMs?: number;
  /** How long to wait where no reply is expected; 2,000 ms unless given. */
  readonly briefMs?: number;
}

/**
 * Plays a script to a server and returns the transcript, a line each: `C: ` a command, `C| ` raw octets,
 * `S: ` a line of the server, `-- ` anything that befell the connection.
 */
export async function replayScript(
  wire: Wire,
  steps: readonly Step[],
  { timeoutMs = 30_000, briefMs = 2_000 }: ReplayOptions = {},
): Promise<string[]> {
  const recorder = new Recorder();
  for (const step of steps) {
    try {
      const goesOn = await play(wire, step, recorder, timeoutMs, briefMs);
      if (!goesOn) break;
    } catch (error) {
      recorder.add(`-- ${error instanceof Error ? error.message : String(error)}`);
      break;
    }
  }
  return recorder.lines;
}

async function play(
  wire: Wire,
  step: Step,
  recorder: Recorder,
  timeoutMs: number,
  briefMs: number,
): Promise<boolean> {
  switch (step.kind) {
    case 'command':
      recorder.add(`C: ${step.text}`);
      await wire.send(Buffer.from(`${step.text}\r\n`, 'latin1'));
      await readReply(wire, step.patient ? timeoutMs : briefMs, recorder);
      return true;
    case 'octets':
      recorder.add(`C| ${step.text}`);
      await wire.send(step.octets);
      return true;
    case 'reply':
      await readReply(wire, timeoutMs, recorder);
      return true;
    case 'pause':
      await wait(step.ms);
      return true;
    case 'tls': {
      const { protocol, cipher } = await wire.startTls();
      recorder.add(`-- TLS ${protocol} ${cipher}`);
      return true;
    }
    case 'end':
      return readToEnd(wire, recorder, timeoutMs);
  }
}

async function readToEnd(wire: Wire, recorder: Recorder, timeoutMs: number): Promise<boolean> {
  for (;;) {
    const arrival = await wire.readLine(timeoutMs);
    if (arrival.kind === 'timeout') {
      recorder.add('-- timeout');
      return false;
    }
    recorder.add(printArrival(arrival));
    if (arrival.kind !== 'line') return true;
  }
}
