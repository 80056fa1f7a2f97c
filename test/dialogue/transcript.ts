import { unescapeOctets } from './escapes.ts';

/** A line of a golden dialogue: what the client sends, or what it must hear. */
export type Entry =
  | { readonly kind: 'send'; readonly printed: string; readonly octets: Buffer }
  | { readonly kind: 'hear'; readonly printed: string }
  | { readonly kind: 'tls'; readonly printed: string };

/**
 * Reads a golden dialogue: `C: ` a command line, `C| ` escaped octets, `S: ` a line the server must answer,
 * `-- TLS` the handshake. Empty lines and lines starting with `#` are prose.
 */
export function parseTranscript(source: string): readonly Entry[] {
  const entries: Entry[] = [];
  source.split('\n').forEach((printed, index) => {
    if (printed === '' || printed.startsWith('#')) return;
    entries.push(parseEntry(printed, index + 1));
  });
  return entries;
}

function parseEntry(printed: string, number: number): Entry {
  if (printed.startsWith('S: ')) return { kind: 'hear', printed };
  if (printed.startsWith('C:')) {
    return { kind: 'send', printed, octets: Buffer.from(`${printed.slice(3)}\r\n`, 'latin1') };
  }
  if (printed.startsWith('C| ')) return { kind: 'send', printed, octets: unescapeOctets(printed.slice(3)) };
  if (printed.startsWith('-- TLS')) return { kind: 'tls', printed: '-- TLS' };
  throw new SyntaxError(`line ${number}: "${printed}" starts with none of "C:", "C| ", "S: ", "-- TLS", "#"`);
}
