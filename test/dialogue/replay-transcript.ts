import { printArrival } from './record.ts';
import { parseTranscript, type Entry } from './transcript.ts';
import type { Wire } from './wire.ts';

export interface TranscriptOptions {
  /** `bytes` hands over every octet by itself, so that each chunk boundary is met; `whole` is the default. */
  readonly cut?: 'whole' | 'bytes';
  /** How long an expected line may take; 5,000 ms unless given. */
  readonly timeoutMs?: number;
  /** How long a line expected not to come is waited for; 100 ms unless given. */
  readonly briefMs?: number;
}

/** What a golden dialogue says and what happened, line for line, made to be compared as two lists. */
export interface TranscriptOutcome {
  readonly expected: readonly string[];
  readonly actual: readonly string[];
}

const SILENCE = 'S: [no reply, timeout]';

/**
 * Plays the client's part of a golden dialogue and listens for as many lines as it expects. Lines the server
 * said beyond those stand at the end of `actual`. The wire is left open.
 */
export async function replayTranscript(
  wire: Wire,
  transcript: string,
  options: TranscriptOptions = {},
): Promise<TranscriptOutcome> {
  const { cut = 'whole', timeoutMs = 60_000, briefMs = 100 } = options;
  const entries = parseTranscript(transcript);
  const actual: string[] = [];
  try {
    for (const entry of entries) {
      if (entry.kind === 'hear') {
        const isSilent = entry.printed === SILENCE;
        const arrival = await wire.readLine(isSilent ? briefMs : timeoutMs);
        actual.push(printArrival(arrival));
        // A server that does not answer once would cost the whole patience for every line that follows.
        if (arrival.kind === 'timeout' && !isSilent) break;
      } else {
        actual.push(entry.printed);
        await act(wire, entry, cut);
      }
    }
  } catch (error) {
    actual.push(`-- ${error instanceof Error ? error.message : String(error)}`);
  }
  for (const octets of await wire.takeWaiting()) actual.push(printArrival({ kind: 'line', octets }));
  return { expected: entries.map((entry) => entry.printed), actual };
}

async function act(
  wire: Wire,
  entry: Exclude<Entry, { kind: 'hear' }>,
  cut: 'whole' | 'bytes',
): Promise<void> {
  if (entry.kind === 'tls') {
    await wire.startTls();
  } else if (cut === 'whole') {
    await wire.send(entry.octets);
  } else {
    for (let at = 0; at < entry.octets.length; at++) await wire.send(entry.octets.subarray(at, at + 1));
  }
}
