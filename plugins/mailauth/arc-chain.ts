/** The ARC chain of a message, checked once for all plugins that want to know. RFC 8617 section 5.2. */

import { createHash, verify as cryptoVerify } from 'node:crypto';
import { transactionTask, type HookContext } from '../../bindings/plugin/index.ts';
import { Turn, yieldTurn } from '../../bindings/timing/turn.ts';
import type { DkimVerifier } from './dkim.ts';
import { relaxedField } from './header-text.ts';
import { verifySignatures } from './message-signatures.ts';
import { MIN_KEY_BITS } from './signature-verifier.ts';

/** One ARC set, as its seal names it. */
export interface ArcSet {
  readonly instance: number;
  /** `d=` and `s=` of the seal. */
  readonly domain: string;
  readonly selector: string;
  /** What the sealer has found: the value of ARC-Authentication-Results with the instance in front, unfolded. */
  readonly results: string;
  /** Its fields as they came, without line ends, in the order in which seals cover them: section 5.1.1. */
  readonly lines: readonly Buffer[];
}

export interface ArcResult {
  /** All failures are for good, those of the DNS as well: section 5.2.1. Undefined with `fault`. */
  readonly result: 'none' | 'pass' | 'fail' | undefined;
  /** What is wrong, of a chain that fails. */
  readonly comment: string | undefined;
  /** Of a chain that passes, oldest first; empty for any other: nobody vouches for those. */
  readonly sets: readonly ArcSet[];
  /** Why there is no result: a failure of this host. */
  readonly fault: string | undefined;
}

const chain = transactionTask<ArcResult>('arc_chain');

/**
 * The result; begins the work if nobody has. As for `verifySignatures`, to be called in `data_post_headers` first. Never
 * rejects.
 */
export async function verifyChain(context: HookContext): Promise<ArcResult> {
  const { tasks } = context;
  const begun = tasks.result(chain);
  if (begun !== undefined) return begun;
  tasks.start(chain, (signal) => verifyOrFault(context, signal));
  return (await tasks.result(chain))!;
}

async function verifyOrFault(context: HookContext, signal: AbortSignal): Promise<ArcResult> {
  try {
    return await verify(context, signal);
  } catch (failure) {
    const fault = failure instanceof Error ? failure.message : String(failure);
    return { result: undefined, comment: undefined, sets: [], fault };
  }
}

type ArcData = DkimVerifier['arc'];
type KeyCache = ArcData['keyCache'];
/** One set, its fields parsed. */
type ParsedSet = Exclude<ArcData['chain'], false>[number];
type ParsedField = ParsedSet['arc-seal'];

async function verify(context: HookContext, signal: AbortSignal): Promise<ArcResult> {
  const { arcData, fault } = await verifySignatures(context);
  if (arcData === undefined) throw new Error(fault);
  const { chain, error, keyCache, lastEntry } = arcData;
  if (error !== undefined) return failed(error.message.replace(/["'()]/g, ' ').trim());
  if (chain === false || chain.length === 0)
    return { result: 'none', comment: undefined, sets: [], fault: undefined };
  // Section 5.2 step 4.
  if (lastEntry?.messageSignature?.status.result !== 'pass')
    return failed(`i=${chain.length} no valid signature`);
  const wrong = await wrongSeal(chain, keyCache, signal);
  if (wrong !== undefined) return failed(wrong);
  return { result: 'pass', comment: undefined, sets: chain.map(setOf), fault: undefined };
}

const failed = (comment: string): ArcResult => ({ result: 'fail', comment, sets: [], fault: undefined });

/**
 * What is wrong with the newest seal that is wrong: section 5.2 step 6. Written here and not left to mailauth, which canonicalizes
 * all fields below a seal anew for each: a header of 250 KB with 50 sets would take a second.
 */
async function wrongSeal(
  chain: readonly ParsedSet[],
  keyCache: KeyCache,
  signal: AbortSignal,
): Promise<string | undefined> {
  const keys = chain.map(async (set) => keyOf(set, keyCache));
  // Nobody comes for those before the first that is wrong.
  for (const key of keys) key.catch(() => undefined);
  const below: Buffer[] = [];
  const ends: number[] = [];
  let octets = 0;
  const turn = new Turn();
  for (const set of chain) {
    const [results, signature, seal] = linesOf(set).map((line) =>
      Buffer.from(`${relaxedField(line)}\r\n`, 'latin1'),
    );
    below.push(results!, signature!, seal!);
    const end = octets + results!.length + signature!.length;
    ends.push(end);
    octets = end + seal!.length;
    await turn.pass();
  }
  const covered = Buffer.concat(below);
  for (const set of chain.toReversed()) {
    await yieldTurn();
    signal.throwIfAborted();
    const fault = await sealFault(set, covered.subarray(0, ends[set.i - 1]), keys[set.i - 1]!);
    if (fault !== undefined) return `i=${set.i} ${fault}`;
  }
  return undefined;
}

const algorithmOf = (set: ParsedSet): string => textOf(set['arc-seal'], 'a').toLowerCase();

function keyOf({ 'arc-seal': seal }: ParsedSet, keyCache: KeyCache): ReturnType<KeyCache['get']> {
  const name = `${textOf(seal, 's')}._domainkey.${textOf(seal, 'd')}`;
  return keyCache.get('AS', name, MIN_KEY_BITS, { strict: true, hashAlgo: 'sha256' });
}

async function sealFault(
  set: ParsedSet,
  below: Buffer,
  key: ReturnType<KeyCache['get']>,
): Promise<string | undefined> {
  const algorithm = algorithmOf(set);
  if (algorithm !== 'rsa-sha256' && algorithm !== 'ed25519-sha256') return 'unknown algorithm';
  let found;
  try {
    found = await key;
  } catch (cause) {
    return `no usable key of ${textOf(set['arc-seal'], 'd')}: ${(cause as Error).message}`;
  }
  if (!algorithm.startsWith(`${found.keyType}-`)) return 'inappropriate key algorithm';
  // What a seal covers of itself is all but the signature. RFC 6376 section 3.7.
  const own = relaxedField(set['arc-seal'].original).replace(/([;:]\s*b\s*=)[^;]*/, '$1');
  const octets = Buffer.concat([below, Buffer.from(own, 'latin1')]);
  const signature = Buffer.from(textOf(set['arc-seal'], 'b').replace(/\s/g, ''), 'base64');
  return isSignedBy(algorithm, octets, found.publicKey, signature) ? undefined : 'seal does not verify';
}

function isSignedBy(algorithm: string, octets: Buffer, key: string, signature: Buffer): boolean {
  try {
    return algorithm === 'rsa-sha256'
      ? cryptoVerify('sha256', octets, key, signature)
      : cryptoVerify(null, createHash('sha256').update(octets).digest(), key, signature);
  } catch {
    // OpenSSL throws for some signatures that no key can have made.
    return false;
  }
}

const textOf = (field: ParsedField, tag: string): string => String(field.parsed?.[tag]?.value ?? '').trim();

const SEALED = ['arc-authentication-results', 'arc-message-signature', 'arc-seal'] as const;

/** In the order in which seals cover them: section 5.1.1. */
const linesOf = (set: ParsedSet): readonly Buffer[] => SEALED.map((name) => set[name].original);

function setOf(set: ParsedSet): ArcSet {
  const line = set['arc-authentication-results'].original.toString('utf8');
  return {
    instance: set.i,
    domain: textOf(set['arc-seal'], 'd'),
    selector: textOf(set['arc-seal'], 's'),
    lines: linesOf(set),
    results: line.slice(line.indexOf(':') + 1).replace(/\r?\n(?=[ \t])/g, ''),
  };
}
