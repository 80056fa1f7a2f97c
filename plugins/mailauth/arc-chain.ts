/** The ARC chain of a message, checked once for all plugins that want to know. RFC 8617 section 5.2. */

import { transactionTask, type HookContext } from '../../bindings/plugin/index.ts';
import { arc } from './dkim.ts';
import { verifySignatures } from './message-signatures.ts';
import { yieldTurn } from './signature-verifier.ts';

/** One ARC set, as its seal names it. */
export interface ArcSet {
  readonly instance: number;
  /** `d=` and `s=` of the seal. */
  readonly domain: string;
  readonly selector: string;
  /** What the sealer has found: the value of ARC-Authentication-Results with the instance in front, unfolded. */
  readonly results: string;
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

/** What mailauth's verifier leaves for its check of chains. */
interface ArcData {
  readonly chain: readonly ParsedSet[] | false;
  readonly keyCache: KeyCache;
}

interface KeyCache {
  readonly resolver: (name: string, type: string) => Promise<string[][]>;
  get(...key: readonly unknown[]): Promise<unknown>;
}

interface ParsedField {
  readonly original: Buffer;
  readonly parsed?: Readonly<Record<string, { readonly value?: unknown } | undefined>>;
}

interface ParsedSet {
  readonly i: number;
  readonly 'arc-seal': ParsedField;
  readonly 'arc-authentication-results': ParsedField;
}

async function verify(context: HookContext, signal: AbortSignal): Promise<ArcResult> {
  const { arcData, fault } = await verifySignatures(context);
  if (fault !== undefined) throw new Error(fault);
  const data = arcData as ArcData;
  const keyCache = inTurns(data.keyCache, signal);
  const verifyArc = arc as unknown as (data: unknown, options: unknown) => ReturnType<typeof arc>;
  const { status } = await verifyArc(
    { ...data, keyCache },
    { resolver: keyCache.resolver, strict: true, minBitLength: 1_024 },
  );
  signal.throwIfAborted();
  const result = status.result === 'pass' || status.result === 'none' ? status.result : 'fail';
  const comment = result === 'fail' ? String(status.comment ?? 'a key could not be looked up') : undefined;
  const sets = result === 'pass' && data.chain !== false ? data.chain.map(setOf) : [];
  return { result, comment, sets, fault: undefined };
}

/** Each of up to 50 seals covers all the fields below it: others get a turn between two of them. */
function inTurns(cache: KeyCache, signal: AbortSignal): KeyCache {
  const turn = async (key: readonly unknown[]): Promise<unknown> => {
    await yieldTurn();
    signal.throwIfAborted();
    return cache.get(...key);
  };
  return {
    resolver: cache.resolver,
    get(...key) {
      const found = turn(key);
      // All keys are asked for ahead, and nobody comes for those after the first that is wrong.
      found.catch(() => undefined);
      return found;
    },
  };
}

function setOf({ i, ...fields }: ParsedSet): ArcSet {
  const seal = fields['arc-seal'].parsed;
  const line = fields['arc-authentication-results'].original.toString('utf8');
  return {
    instance: i,
    domain: String(seal?.['d']?.value ?? ''),
    selector: String(seal?.['s']?.value ?? ''),
    results: line.slice(line.indexOf(':') + 1).replace(/\r?\n(?=[ \t])/g, ''),
  };
}
