/** Nothing is timed before all contestants have given the same answers. */

import type { CommandReader, DataAnswer, DataReader, HeaderReader, HostReader } from './contestant.ts';
import { makeCommands, makeHeader, makeNewsletter, makeStuffedText, makeText, SIZES } from './samples.ts';

/** Two contestants answered differently: whatever they take, they do not do the same work. */
export class DisagreementError extends Error {
  constructor(path: string, sample: string, names: readonly string[]) {
    super(`${path}: ${names.join(' and ')} disagree about ${sample}; nothing is timed`);
    this.name = 'DisagreementError';
  }
}

interface DataSample {
  readonly name: string;
  readonly pieces: readonly Buffer[];
  /** Contestants without the policy are not asked: they are known to be blind to this. */
  readonly isIrregular: boolean;
}

const END = Buffer.from('\r\n.\r\n');

function cut(message: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(message.length / size) }, (_, index) =>
    message.subarray(index * size, (index + 1) * size),
  );
}

/** Messages that show whether a reader finds content, dots, end and everything irregular, in large and small pieces. */
export function dataSamples(): readonly DataSample[] {
  const irregular = Buffer.concat([
    makeText(3_000),
    Buffer.from('bare\rreturn\r\nbare\nfeed\r\n8-bit \xe4\r\nnul \0\r\n\n..\r\n..x\r\n', 'latin1'),
    Buffer.alloc(1_500, 'long '),
  ]);
  const bodies: readonly [string, Buffer, boolean][] = [
    ...SIZES.map((size): [string, Buffer, boolean] => [`text of ${size} octets`, makeText(size), false]),
    ['stuffed dots', makeStuffedText(4_096), false],
    ['irregular octets', irregular, true],
  ];
  return bodies.flatMap(([name, body, isIrregular]) => {
    const message = Buffer.concat([
      body,
      body.subarray(-2).equals(END.subarray(0, 2)) ? END.subarray(2) : END,
    ]);
    return [65_536, 1_000, 7].map((size) => ({
      name: `${name}, in pieces of ${size}`,
      pieces: cut(message, size),
      isIrregular,
    }));
  });
}

/** Throws a `DisagreementError` unless all readers find the same content, and those with findings the same findings. */
export async function checkDataReaders(readers: readonly DataReader[]): Promise<void> {
  for (const { name, pieces, isIrregular } of dataSamples()) {
    let first: { readonly reader: DataReader; readonly answer: DataAnswer } | undefined;
    for (const reader of readers) {
      const answer = await reader.read(pieces);
      if (isIrregular && answer.findings === undefined) continue;
      first ??= { reader, answer };
      const isSame =
        answer.content.equals(first.answer.content) &&
        (answer.findings === undefined ||
          JSON.stringify(answer.findings) === JSON.stringify(first.answer.findings));
      if (!isSame) throw new DisagreementError('data', name, [first.reader.name, reader.name]);
    }
  }
}

/** The same for command lines. */
export function checkCommandReaders(readers: readonly CommandReader[]): void {
  for (const size of SIZES) {
    const sample = makeCommands(size);
    const wanted = readers[0]!.read(sample);
    for (const reader of readers) {
      const isSame =
        reader.read(sample).join('\n') === wanted.join('\n') && reader.parse(sample) === wanted.length;
      if (!isSame) throw new DisagreementError('commands', `${size} octets`, [readers[0]!.name, reader.name]);
    }
  }
}

/** The same for headers. */
export function checkHeaderReaders(readers: readonly HeaderReader[]): void {
  for (const size of SIZES) {
    const sample = makeHeader(size);
    const wanted = readers[0]!.read(sample);
    for (const reader of readers) {
      const isSame =
        reader.read(sample).join('\n') === wanted.join('\n') && reader.index(sample) === wanted.length;
      if (!isSame) throw new DisagreementError('headers', `${size} octets`, [readers[0]!.name, reader.name]);
    }
  }
}

/** The same for host names. */
export function checkHostReaders(readers: readonly HostReader[]): void {
  for (const sample of SIZES.flatMap((size) => [makeNewsletter(size), makeText(size), makeHeader(size)])) {
    const wanted = readers[0]!.read(sample);
    for (const reader of readers) {
      const isSame =
        reader.read(sample).join('\n') === wanted.join('\n') && reader.find(sample) === wanted.length;
      if (!isSame)
        throw new DisagreementError('host names', `${sample.length} octets`, [readers[0]!.name, reader.name]);
    }
  }
}
