/**
 * mailauth's verifier with bounded work: it reads signatures, keys and header fields, and gets the header in fields and the
 * hashes of the body from here. Its own reader of messages takes time that grows with the square of a header of many lines,
 * and of a body line without end.
 */

import { CanonicalBody, PartHash, type Canonicalization } from './body-digest.ts';
import { DkimVerifier } from './dkim.ts';
import type { RawField } from './header-text.ts';

type Field = Parameters<DkimVerifier['verifySignature']>[0];
type Verified = Awaited<ReturnType<DkimVerifier['verifySignature']>>;
type Hasher = DkimVerifier['bodyHashes'] extends Map<string, infer H> ? H : never;

/** Signatures looked at; a message with more is fine if one of these passes. RFC 6376 section 6.1 allows such a limit. */
export const MAX_SIGNATURES = 10;
/** RFC 8301 section 3.2. */
const MIN_KEY_BITS = 1_024;
/** Octets of a signature field. */
const MAX_FIELD = 8_192;
/** Octets of a From field: mailauth reads addresses in time that grows with the square of their length. */
const MAX_FROM = 2_048;
/** Octets of header fields that a signature may cover, and of all fields of ARC: they are read in one turn of the event loop. */
const MAX_COVERED = 65_536;
const MAX_ARC = 40_960;
/** Names in `h=`. */
const MAX_NAMES = 500;
/** 50 sets of three, RFC 8617 section 4.2.1, and a set more, so that a chain that is too long is seen as such. */
const MAX_ARC_FIELDS = 153;

export interface VerifierOptions {
  readonly resolver: (name: string, type: string) => Promise<string[][]>;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly signal: AbortSignal;
}

/** A turn of the event loop for others. */
export const yieldTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class SignatureVerifier extends DkimVerifier {
  readonly #fields: readonly RawField[];
  readonly #bodies = new Map<string, CanonicalBody>();
  readonly #signal: AbortSignal;

  constructor(fields: readonly RawField[], { resolver, now, signal }: VerifierOptions) {
    super({ resolver, strict: true, minBitLength: MIN_KEY_BITS, curTime: now });
    this.#fields = fields;
    this.#signal = signal;
  }

  /** The signatures of the header, and From. To be called first. */
  async begin(): Promise<void> {
    const parsed = [
      ...this.#named((key) => key === 'dkim-signature').slice(0, MAX_SIGNATURES),
      ...withinOctets(this.#named((key) => key.startsWith('arc-')).slice(0, MAX_ARC_FIELDS), MAX_ARC),
      ...this.#named((key) => key === 'from').filter(({ line }) => line.length <= MAX_FROM),
    ];
    await this.messageHeaders({ parsed, original: Buffer.alloc(0) });
    this.#askForKeys();
  }

  /**
   * Side by side, while the body is hashed: mailauth asks for one after the other, and ten silent servers would hold the message up
   * ten times as long as one.
   */
  #askForKeys(): void {
    for (const { type, selector, signingDomain, hashAlgo, skip, invalid } of this.signatureHeaders) {
      if (skip !== undefined || invalid !== undefined || hashAlgo === undefined) continue;
      const name = `${selector ?? ''}._domainkey.${signingDomain ?? ''}`;
      this.keyCache.get(type, name, MIN_KEY_BITS, { strict: true, hashAlgo }).catch(() => undefined);
    }
  }

  /** True if nothing asks for the body. */
  get isBodyIdle(): boolean {
    return this.bodyHashes.size === 0;
  }

  update(block: Buffer): void {
    for (const body of this.#bodies.values()) body.update(block);
  }

  /** The verdicts: keys are looked up, and signatures verified one after the other. */
  async finish(): Promise<readonly { readonly field: Field; readonly result: Verified }[]> {
    for (const body of this.#bodies.values()) body.finish();
    await this.finalChunk();
    const fields = this.signatureHeaders.filter(({ type }) => type === 'DKIM');
    return fields.map((field, index) => ({ field, result: this.results[index]! }));
  }

  override addBodyHash(canonicalization: string, algorithm: string, maxLength: number | ''): string {
    const key = `${canonicalization}:${algorithm}:${maxLength}`;
    if (this.bodyHashes.has(key)) return key;
    const body =
      this.#bodies.get(canonicalization) ?? new CanonicalBody(canonicalization as Canonicalization);
    this.#bodies.set(canonicalization, body);
    const part = new PartHash(algorithm as 'sha256' | 'sha1', maxLength === '' ? undefined : maxLength);
    body.parts.push(part);
    this.bodyHashes.set(key, hasherOf(body, part));
    return key;
  }

  override async verifySignature(field: Field, isFallback?: boolean): Promise<Verified> {
    await yieldTurn();
    this.#signal.throwIfAborted();
    const names = String(field.parsed?.['h']?.value ?? '').split(':');
    const parsed = this.#signed(names.slice(0, MAX_NAMES));
    if (withinOctets(parsed, MAX_COVERED).length < parsed.length)
      return { status: { result: 'policy', comment: 'signed header too large' } };
    this.headers = { parsed, original: Buffer.alloc(0) };
    return super.verifySignature(field, isFallback);
  }

  #named(isMeant: (key: string) => boolean): RawField[] {
    return this.#fields.filter(({ key, line }) => isMeant(key) && line.length <= MAX_FIELD);
  }

  /** What `h=` can be about: of each name as many fields, from below, as it is listed. RFC 6376 section 5.4.2. */
  #signed(names: readonly string[]): RawField[] {
    const wanted = new Map<string, number>();
    for (const name of names) {
      const key = name.trim().toLowerCase();
      wanted.set(key, (wanted.get(key) ?? 0) + 1);
    }
    const chosen: RawField[] = [];
    for (const field of this.#fields.toReversed()) {
      const left = wanted.get(field.key) ?? 0;
      if (left === 0) continue;
      wanted.set(field.key, left - 1);
      chosen.push(field);
    }
    return chosen.reverse();
  }
}

/** The addresses in the From fields, without display names: authors, also those of a group. */
export async function authorsOf(fields: readonly RawField[]): Promise<readonly string[]> {
  const from = fields.filter(({ key }) => key === 'from');
  const idle = { resolver: () => Promise.resolve([]), now: 0, signal: new AbortController().signal };
  const verifier = new SignatureVerifier(from, idle);
  await verifier.begin();
  return verifier.headerFrom;
}

/** The first of them. A chain of ARC that lacks the rest is broken, as it should be. */
function withinOctets(fields: readonly RawField[], limit: number): readonly RawField[] {
  let octets = 0;
  const end = fields.findIndex(({ line }) => (octets += line.length) > limit);
  return end < 0 ? fields : fields.slice(0, end);
}

/** As mailauth asks for it. */
function hasherOf(body: CanonicalBody, part: PartHash): Hasher {
  return {
    get byteLength() {
      return body.octets;
    },
    get canonicalizedLength() {
      return body.octets;
    },
    get bodyHashedBytes() {
      return part.hashed;
    },
    update: () => undefined,
    digest: () => part.digest(),
    setContentType: () => undefined,
    getMimeStructureStart: () => 0,
  };
}
