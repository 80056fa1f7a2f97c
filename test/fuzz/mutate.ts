import type { Random } from './random.ts';
import type { Target } from './target.ts';

const LONGEST = 80_000;
const PIECES = ['\r', '\n', '\r\n', '.', '\0', '\xff', '\x80', ' ', '\t', 'x', '\r\n.', 'a'.repeat(16)];

/** Makes new inputs out of the corpus: a few changes at a time, now and then a very long stretch. */
export class Mutator {
  private readonly corpus: readonly Uint8Array[];
  private readonly pieces: readonly Uint8Array[];

  constructor(corpus: readonly Uint8Array[], target: Target) {
    this.corpus = corpus;
    this.pieces = [...PIECES, ...(target.dictionary ?? [])].map((piece) => Buffer.from(piece, 'latin1'));
  }

  make(random: Random): Uint8Array {
    let input = random.pick(this.corpus);
    for (let changes = random.below(12); changes > 0; changes--) input = this.change(input, random);
    return input.subarray(0, LONGEST);
  }

  private change(input: Uint8Array, random: Random): Uint8Array {
    const at = random.below(input.length + 1);
    const span = Math.min(input.length - at, random.pick([1, 2, 8, 64, 1_000]));
    switch (random.below(6)) {
      case 0: {
        if (at === input.length) return input;
        const changed = Uint8Array.from(input);
        changed[at] = random.below(256);
        return changed;
      }
      case 1:
        return splice(input, at, random.below(span + 1), []);
      case 2:
        return splice(input, at, 0, [repeat(input.subarray(at, at + span), 1 + random.below(4))]);
      case 3: {
        const other = random.pick(this.corpus);
        const start = random.below(other.length + 1);
        return splice(input, at, span, [other.subarray(start, start + random.below(500))]);
      }
      case 4: {
        const times = random.isOneIn(8) ? random.pick([60, 64, 70, 500, 3_000, 70_000]) : 1;
        return splice(input, at, 0, [repeat(random.pick(this.pieces), times)]);
      }
      default:
        return splice(input, at, random.below(3), [random.pick(this.pieces)]);
    }
  }
}

function splice(input: Uint8Array, at: number, remove: number, insert: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([input.subarray(0, at), ...insert, input.subarray(at + remove)]);
}

function repeat(piece: Uint8Array, times: number): Uint8Array {
  const most = piece.length === 0 ? 0 : Math.floor(LONGEST / piece.length);
  return Buffer.alloc(piece.length * Math.min(times, most), piece);
}
