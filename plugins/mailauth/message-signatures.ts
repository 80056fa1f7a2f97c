/** The DKIM signatures of a message: verified once in a transaction, whichever plugin asks first. RFC 6376. */

import { transactionNote, transactionTask, type HookContext } from '../../bindings/plugin/index.ts';
import { Turn } from '../../bindings/timing/turn.ts';
import type { DkimVerifier } from './dkim.ts';
import { mailauthResolver } from './dns-resolver.ts';
import { splitMessage, type RawField } from './header-text.ts';
import { KEY_TOO_LARGE, keyResolver, type KeyAnswers } from './key-records.ts';
import type { SignatureOutcome } from './sender-results.ts';
import { SignatureVerifier } from './signature-verifier.ts';

/** All text is the sender's, but for `result` and `comment`. */
export interface SignatureResult {
  /** `d=`, the domain that takes responsibility. */
  readonly domain: string;
  /** `s=`. */
  readonly selector: string;
  /** `i=`, or `@` and the domain. */
  readonly identity: string;
  /** `a=`. */
  readonly algorithm: string;
  /** The first eight characters of `b=`, which tell signatures of one domain apart. RFC 6008. */
  readonly signatureStart: string;
  readonly result: SignatureOutcome;
  /** Why, unless it passed. */
  readonly comment: string | undefined;
  /** The key says `t=y`: its domain is trying DKIM out, and a failure counts for nothing. RFC 6376 section 3.6.1. */
  readonly isTesting: boolean;
}

export interface MessageSignatures {
  /** From top to bottom, the first `MAX_SIGNATURES` at most. */
  readonly signatures: readonly SignatureResult[];
  /** Signatures nobody looked at: they are too many, or too long. */
  readonly passedOver: number;
  /** The addresses in From, without display names. Empty if it cannot be read. */
  readonly headerFrom: readonly string[];
  /** How many From fields there are: any number but one is wrong. RFC 5322 section 3.6. */
  readonly fromFields: number;
  /** The ARC chain as mailauth has read it, for `verifyChain`; undefined with `fault`. */
  readonly arcData: DkimVerifier['arc'] | undefined;
  /** Why there are no results: a failure of this host, or the end of the session. */
  readonly fault: string | undefined;
}

/**
 * To be set before `data_post_headers`: a signature over the beginning of the body alone (`l=`) may pass. An attacker can then append
 * text of its own to a signed message, under the name of the domain. RFC 6376 section 8.2.
 */
export const acceptsPartialBodies = transactionNote<boolean>('dkim_partial_body');

/** How far a signer's clock may be ahead. */
const MAX_CLOCK_SKEW_MS = 300_000;

/** Of a body, hashed at a time: ten hashes of it take about a millisecond. */
const PIECE_OCTETS = 16_384;

/** For the keys of all signatures together, which are looked up side by side. */
const LOOKUPS_MS = 10_000;

const keyQuestions = transactionTask<KeyAnswers>('dkim_keys');
const verification = transactionTask<MessageSignatures>('dkim_verification');

/**
 * Asks for the keys, which the header alone tells of, while the body comes. For `data_headers_end`; without it they are asked for
 * once the message is here.
 */
export function askForKeys({ services, tasks, transaction }: HookContext): void {
  if (tasks.result(keyQuestions) !== undefined) return;
  const { header } = transaction.message;
  const names = header.count('ARC-Seal') <= MAX_SETS_AHEAD ? [DKIM_FIELD, ...ARC_FIELDS] : [DKIM_FIELD];
  const fields = names.flatMap((name) => header.all(name).map((value) => fieldOf(name, value)));
  if (fields.length === 0) return;
  tasks.start(keyQuestions, (signal) => {
    const answers: KeyAnswers = new Map();
    const resolver = keyResolver(mailauthResolver(services, { signal, timeoutMs: LOOKUPS_MS }), answers);
    const verifier = new SignatureVerifier(fields, { resolver, now: services.clock.now(), signal });
    // What is wrong with the header is told when it is verified.
    verifier.begin().catch(() => undefined);
    return answers;
  });
}

const DKIM_FIELD = 'DKIM-Signature';
/** Which of the signatures matters is for all of these to say. */
const ARC_FIELDS = ['ARC-Seal', 'ARC-Message-Signature', 'ARC-Authentication-Results'];
/** Longer chains are read once, when the message is here: honest ones are not, and reading them is work. */
const MAX_SETS_AHEAD = 10;

const fieldOf = (casedKey: string, value: string): RawField => ({
  key: casedKey.toLowerCase(),
  casedKey,
  line: Buffer.from(`${casedKey}: ${value}`),
});

/**
 * The results; begins the work if nobody has. To be called from `data_post_headers` on, and there first: later, fields that were
 * signed may have changed (`Authentication-Results` of others are renamed). Never rejects.
 */
export async function verifySignatures(context: HookContext): Promise<MessageSignatures> {
  const { tasks } = context;
  const begun = tasks.result(verification);
  if (begun !== undefined) return begun;
  tasks.start(verification, (signal) => verifyOrFault(context, signal));
  return (await tasks.result(verification))!;
}

async function verifyOrFault(context: HookContext, signal: AbortSignal): Promise<MessageSignatures> {
  try {
    return await verify(context, signal);
  } catch (failure) {
    const fault = failure instanceof Error ? failure.message : String(failure);
    return { signatures: [], passedOver: 0, headerFrom: [], fromFields: 0, arcData: undefined, fault };
  }
}

async function verify(context: HookContext, signal: AbortSignal): Promise<MessageSignatures> {
  const { services, transaction } = context;
  const turn = new Turn();
  const message = await splitMessage(transaction.message);
  try {
    await turn.pass();
    const { fields } = message;
    const now = services.clock.now();
    const resolve = mailauthResolver(services, { signal, timeoutMs: LOOKUPS_MS });
    const resolver = keyResolver(resolve, await context.tasks.result(keyQuestions));
    const verifier = new SignatureVerifier(fields, { resolver, now, signal });
    await verifier.begin();
    if (!verifier.isBodyIdle) await hashBody(message.body, verifier, signal);
    const verified = await verifier.finish();
    const countOf = (name: string): number => fields.filter(({ key }) => key === name).length;
    const fromFields = countOf('from');
    const terms = { now, fromFields, isPartialFine: transaction.notes.get(acceptsPartialBodies) === true };
    return {
      signatures: verified.map((each) => resultOf(each, terms)),
      passedOver: countOf('dkim-signature') - verified.length,
      headerFrom: verifier.headerFrom,
      fromFields,
      arcData: verifier.arc,
      fault: undefined,
    };
  } finally {
    await message.close();
  }
}

async function hashBody(
  body: AsyncIterable<Buffer>,
  verifier: SignatureVerifier,
  signal: AbortSignal,
): Promise<void> {
  const turn = new Turn();
  for await (const block of body)
    for (let at = 0; at < block.length; at += PIECE_OCTETS) {
      verifier.update(block.subarray(at, at + PIECE_OCTETS));
      await turn.pass();
      signal.throwIfAborted();
    }
}

type Verified = Awaited<ReturnType<SignatureVerifier['finish']>>[number];

interface Terms {
  readonly now: number;
  readonly fromFields: number;
  readonly isPartialFine: boolean;
}

function resultOf({ field, result }: Verified, terms: Terms): SignatureResult {
  const { signingDomain = '', selector = '', identity = '', algorithm = '', parsed } = field;
  const [outcome, comment] = outcomeOf({ field, result }, terms);
  const isTesting = result.status.testing === true;
  return {
    domain: signingDomain,
    selector,
    identity: identity === '' ? `@${signingDomain}` : identity,
    algorithm,
    signatureStart: String(parsed?.['b']?.value ?? '').slice(0, 8),
    result: outcome,
    comment: comment ?? (isTesting ? 'test key' : undefined),
    isTesting,
  };
}

type Outcome = readonly [SignatureOutcome, comment?: string | undefined];

/** mailauth calls all of this `neutral`; without a usable key no later attempt brings more. RFC 6376 section 6.1.2. */
const KEY_FAULTS: ReadonlySet<string> = new Set([
  'no key',
  'unknown key version',
  'unknown key type',
  'invalid public key',
  'inappropriate hash algorithm',
  'inappropriate key algorithm',
  'key not for email',
]);

const LOOKUP = 'DNS failure: ';
const REVOKED = /(?:^|;)p=(?:;|$)/;

function outcomeOf({ field, result }: Verified, terms: Terms): Outcome {
  const { status, rr = '' } = result;
  const comment = status.comment === false ? undefined : status.comment;
  if (status.result === 'pass') return passOf({ field, result }, terms);
  if (comment === LOOKUP + KEY_TOO_LARGE) return ['policy', 'key too large'];
  if (comment?.startsWith(LOOKUP) === true)
    return ['temperror', `key lookup: ${comment.slice(LOOKUP.length)}`];
  if (REVOKED.test(rr)) return ['permerror', 'key revoked'];
  if (comment !== undefined && KEY_FAULTS.has(comment)) return ['permerror', comment];
  if (status.policy?.['dkim-rules'] === 'weak-key') return ['policy', 'weak key'];
  return [isOutcome(status.result) ? status.result : 'neutral', comment];
}

/** What has to be true besides, for a signature whose numbers are right. */
function passOf({ field, result }: Verified, { now, fromFields, isPartialFine }: Terms): Outcome {
  // Readers show the first From, signers sign the last. RFC 6376 sections 3.8 and 8.15.
  if (fromFields !== 1) return ['policy', `${fromFields} From fields`];
  const { canonBodyLength = 0, canonBodyLengthLimit = 0, status } = result;
  if (canonBodyLengthLimit > canonBodyLength) return ['neutral', 'body shorter than signed'];
  const unsigned = status.underSized ?? 0;
  if (unsigned > 0 && !isPartialFine) return ['policy', `${unsigned} octets of the body not signed`];
  const { timestamp } = field;
  if (timestamp && timestamp.getTime() > now + MAX_CLOCK_SKEW_MS) return ['neutral', 'signed in the future'];
  return ['pass'];
}

const OUTCOMES: ReadonlySet<string> = new Set([
  'pass',
  'fail',
  'neutral',
  'policy',
  'temperror',
  'permerror',
]);

const isOutcome = (text: string): text is SignatureOutcome => OUTCOMES.has(text);
