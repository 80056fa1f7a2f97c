/** Verifying as hooks of plugins: what the results of a message become. RFC 6376 section 6, RFC 8601 section 2.7.1. */

import {
  error,
  fail,
  pass,
  skip,
  transactionNote,
  z,
  type Answer,
  type HookContext,
  type Setup,
} from '../../bindings/plugin/index.ts';
import { isCutThrough, openSigner, signingOptions } from './outgoing-signatures.ts';
import {
  acceptsPartialBodies,
  askForKeys,
  verifySignatures,
  type MessageSignatures,
  type SignatureResult,
} from './message-signatures.ts';

/** For the lines of both. */
export const dkimOptions = signingOptions.extend({
  /** What a signature over the beginning of the body (`l=`) is worth. */
  partial_body: z.enum(['policy', 'accept']).default('policy'),
});

export type DkimOptions = z.output<typeof dkimOptions>;

type Outcome = SignatureResult['result'] | 'none';

/** The result of the message: that of its best signature. */
export const dkimResult = transactionNote<Outcome>('dkim_result');
/** The domains whose signatures passed, each once. */
export const dkimPassDomains = transactionNote<readonly string[]>('dkim_pass_domains');

/** The hooks of `dkim` and of its other name: they verify, and sign what clients that may relay send. */
export function dkimHooks(setup: Setup<DkimOptions>) {
  const { partial_body } = setup.options;
  const sign = isCutThrough(setup.config) ? undefined : openSigner(setup);
  const lookAhead = (context: HookContext): void => {
    if (context.immunity === undefined) askForKeys(context);
  };
  return {
    // SPF may be waited for before.
    begins: { data_headers_end: lookAhead },
    data_headers_end(context: HookContext): void {
      if (partial_body === 'accept') context.transaction.notes.set(acceptsPartialBodies, true);
      lookAhead(context);
    },
    async data_post_headers(context: HookContext): Promise<void> {
      if (context.immunity !== undefined) return;
      const { transaction } = context;
      const found = await verifySignatures(context);
      // A client that left meanwhile may be in its next transaction, which these results say nothing of.
      if (context.transaction === transaction) note(context, found);
    },
    async data_post(context: HookContext): Promise<Answer> {
      if (context.immunity !== undefined) return skip(context.immunity);
      return judge(context, await verifySignatures(context));
    },
    ...(sign !== undefined && { queue_pre: sign }),
  };
}

/** Leaves the results: in Authentication-Results, in a field for people, in notes. */
function note({ connection, transaction }: HookContext, { signatures, fault }: MessageSignatures): void {
  const result = fault === undefined ? outcomeOf(signatures) : 'temperror';
  transaction.notes.set(dkimResult, result);
  const passed = signatures.filter((each) => each.result === 'pass');
  if (passed.length > 0)
    transaction.notes.set(dkimPassDomains, [...new Set(passed.map(({ domain }) => domain.toLowerCase()))]);
  if (signatures.length === 0) connection.addAuthenticationResult({ method: 'dkim', result, comment: fault });
  for (const {
    result: outcome,
    comment,
    domain,
    selector,
    identity,
    algorithm,
    signatureStart,
  } of signatures)
    connection.addAuthenticationResult({
      method: 'dkim',
      result: outcome,
      comment,
      properties: [
        ['header.d', domain],
        ['header.i', identity],
        ['header.s', selector],
        ['header.a', algorithm],
        ['header.b', signatureStart],
      ],
    });
  if (passed.length > 0)
    transaction.message.header.prepend('X-DKIM-Authentication', passed.map(describe).join('; '));
}

/** The better, the further up. */
const ORDER: readonly Outcome[] = ['pass', 'temperror', 'policy', 'neutral', 'fail', 'permerror'];

const outcomeOf = (signatures: readonly SignatureResult[]): Outcome =>
  ORDER.find((outcome) => signatures.some(({ result }) => result === outcome)) ?? 'none';

const plain = (text: string): string => text.replace(/[^!-~]/g, '?').slice(0, 255);

const describe = ({ domain, selector, result, comment }: SignatureResult): string =>
  `domain: ${plain(domain)}, selector: ${plain(selector)}, result: ${result}${comment === undefined ? '' : ` (${comment})`}`;

function judge(context: HookContext, { signatures, headerFrom, fault }: MessageSignatures): Answer {
  if (fault !== undefined) return error(fault);
  const log = signatures.map(describe).join('; ');
  switch (outcomeOf(signatures)) {
    case 'none':
      return skip('no signature');
    case 'pass':
      if (isAuthors(signatures, headerFrom)) context.adjustKarma(1);
      return pass(log);
    case 'temperror':
      return error(log);
    default:
      return judgeFailed(context, signatures, log);
  }
}

/** A domain that is only trying DKIM out is not harmed by it. RFC 6376 section 3.6.1. */
function judgeFailed(context: HookContext, signatures: readonly SignatureResult[], log: string): Answer {
  const [failed] = signatures.filter(({ isTesting }) => !isTesting);
  if (failed === undefined) return skip(log);
  context.adjustKarma(-1);
  return fail(`signature invalid: ${failed.result} (${failed.comment ?? 'does not verify'})`, { log });
}

/** One that passed is of the author's domain, or of one above it. */
const isAuthors = (signatures: readonly SignatureResult[], headerFrom: readonly string[]): boolean =>
  signatures.some(({ result, domain }) => {
    const author = `.${(headerFrom[0] ?? '').replace(/^.*@/s, '').toLowerCase()}`;
    return result === 'pass' && author.endsWith(`.${domain.toLowerCase()}`);
  });
