/**
 * mailauth's verifier with bounded work: it reads signatures, keys and header fields, and gets the header in fields and the
 * hashes of the body from here. Its own reader of messages takes time that grows with the square of a header of many lines,
 * and of a body line without end.
 */

import { Turn, yieldTurn } from '../../bindings/timing/turn.ts';
import { CanonicalBody, PartHash, type Canonicalization } from './body-digest.ts';
import { DkimVerifier } from './dkim.ts';
import { relaxedField, type RawField } from './header-text.ts';

type Field = Parameters<DkimVerifier['verifySignature']>[0];
type Verified = Awaited<ReturnType<DkimVerifier['verifySignature']>>;
type Hasher = DkimVerifier['bodyHashes'] extends Map<string, infer H> ? H : never;

/** Signatures looked at; a message with more is fine if one of these passes. RFC 6376 section 6.1 allows such a limit. */
export const MAX_SIGNATURES = 10;
/** RFC 8301 section 3.2. */
export const MIN_KEY_BITS = 1_024;
/** Octets of a signature field. */
const MAX_FIELD = 8_192;
/** Octets of a From field: mailauth reads addresses in time that grows with the square of their length. */
const MAX_FROM = 2_048;
/** From fields that are read: with more than one, no signature counts. */
const MAX_FROM_FIELDS = 10;
/** Octets of header fields that a signature may cover, and of all fields of ARC: mailauth reads them in one turn of the event loop. */
const MAX_COVERED = 65_536;
const MAX_ARC = 40_960;
/** Names in `h=`. */
const MAX_NAMES = 500;
const NOTHING = Buffer.alloc(0);
/** How mailauth leaves a header alone. Bodies have been hashed by the time it is asked. */
const AS_IT_IS = 'simple/simple';
/** 50 sets of three, RFC 8617 section 4.2.1, and a set more, so that a chain that is too long is seen as such. */
const MAX_ARC_FIELDS = 153;

export interface VerifierOptions {
  readonly resolver: (name: string, type: string) => Promise<string[][]>;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly signal: AbortSignal;
}

export class SignatureVerifier extends DkimVerifier {
  readonly #fields: readonly RawField[];
  readonly #bodies = new Map<string, CanonicalBody>();
  readonly #signal: AbortSignal;
  /** Lines in relaxed form, for all signatures that cover them. */
  readonly #relaxed = new Map<Buffer, Buffer>();
  readonly #turn = new Turn();

  constructor(fields: readonly RawField[], { resolver, now, signal }: VerifierOptions) {
    super({ resolver, strict: true, minBitLength: MIN_KEY_BITS, curTime: now });
    this.#fields = fields;
    this.#signal = signal;
  }

  /** The signatures of the header, and From. To be called first. */
  async begin(): Promise<void> {
    const signatures = this.#named((key) => key === 'dkim-signature').slice(0, MAX_SIGNATURES);
    const from = this.#named((key) => key === 'from').filter(({ line }) => line.length <= MAX_FROM);
    const chain = this.#named((key) => key.startsWith('arc-')).slice(0, MAX_ARC_FIELDS);
    const read: Field[] = [];
    // Each by itself: to read them all takes longer than others should wait. The chain is one, and has to be the last.
    for (const field of [...signatures, ...from.slice(0, MAX_FROM_FIELDS)]) {
      await this.messageHeaders({ parsed: [field], original: NOTHING });
      read.push(...this.signatureHeaders);
      await this.#turn.pass();
    }
    if (chain.length > 0) await yieldTurn();
    await this.messageHeaders({ parsed: withinOctets(chain, MAX_ARC), original: NOTHING });
    this.signatureHeaders = [...read, ...this.signatureHeaders];
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
    if (field.headerCanon !== 'relaxed') {
      this.headers = { parsed, original: NOTHING };
      return super.verifySignature(field, isFallback);
    }
    // In relaxed form already, so that what was made for one signature is as good for the next.
    this.headers = { parsed: await this.#relax(parsed), original: NOTHING };
    const original = Buffer.from(relaxedField(field.original), 'latin1');
    return super.verifySignature({ ...field, original, canonicalization: AS_IT_IS }, isFallback);
  }

  async #relax(fields: readonly RawField[]): Promise<readonly RawField[]> {
    const relaxed: RawField[] = [];
    for (const field of fields) {
      const line = this.#relaxed.get(field.line) ?? Buffer.from(relaxedField(field.line), 'latin1');
      this.#relaxed.set(field.line, line);
      relaxed.push({ ...field, line });
      await this.#turn.pass();
    }
    this.#signal.throwIfAborted();
    return relaxed;
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
