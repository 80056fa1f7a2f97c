/** Brand Indicators for Message Identification: draft-brand-indicators-for-message-identification, by its section numbers. */

import {
  definePlugin,
  error,
  pass,
  skip,
  transactionTask,
  z,
  type Answer,
  type HookContext,
} from '../bindings/plugin/index.ts';
import { mailauthResolver, type MailauthResolver } from './mailauth/dns-resolver.ts';
import { dmarcResult, type DmarcResult } from './mailauth/sender-results.ts';

const options = z.object({});
type Context = HookContext<z.output<typeof options>>;

/** What was found out, in the words of section 7.7. */
interface Finding {
  readonly result: 'pass' | 'none' | 'fail' | 'temperror' | 'declined' | 'skipped';
  readonly comment?: string;
  readonly record?: AssertionRecord;
}

/** An Assertion Record with a logo. Section 4.3. */
interface AssertionRecord {
  readonly domain: string;
  readonly selector: string;
  readonly location: string;
  /** Where the evidence is, which nobody looks at here. */
  readonly authority: string | undefined;
}

/** All questions of a message together. */
const DNS_TIMEOUT_MS = 5_000;
const finding = transactionTask<Finding>('bimi');

/** Looks up where the logo of an author is whom DMARC vouches for. Nothing is fetched: that is for mail programs. */
export default definePlugin({
  name: 'bimi',
  about: 'Tells mail programs where the logo of an author is that DMARC vouches for (BIMI).',
  options,
  onError: 'skip',
  after: ['dmarc'],
  hooks: {
    data_post_headers: judge,
    data_post: answer,
  },
});

async function judge(context: Context): Promise<void> {
  const { connection, services, tasks, transaction } = context;
  if (connection.relayClient) return;
  const judged = tasks.result(dmarcResult);
  if (judged === undefined) return;
  const selectors = transaction.message.header.all('BIMI-Selector');
  tasks.start(finding, async (signal) => {
    const dmarc = await judged;
    const reason = lackOf(dmarc);
    if (reason !== undefined) return reason;
    return discover(dmarc, selectors, mailauthResolver(services, { signal, timeoutMs: DNS_TIMEOUT_MS }));
  });
  const found = (await tasks.result(finding))!;
  if (context.transaction !== transaction) return;
  const { comment, record, result } = found;
  connection.addAuthenticationResult({
    method: 'bimi',
    result,
    comment,
    properties: record && [
      ['header.d', record.domain],
      ['header.selector', record.selector],
      ['policy.authority', 'none'],
      ...(record.authority === undefined ? [] : [['policy.authority-uri', record.authority] as const]),
    ],
  });
}

/** Fields of others must not pass for ours: section 5. */
async function answer({ connection, tasks, transaction }: Context): Promise<Answer> {
  const { header } = transaction.message;
  if (connection.relayClient) return skip('relay client');
  for (const name of ['BIMI-Location', 'BIMI-Indicator', 'BIMI-Logo-Preference']) header.remove(name);
  const found = tasks.result(finding);
  if (found === undefined) return error('dmarc has not judged the message: its line has to stand above');
  const { comment, record, result } = await found;
  if (record === undefined) return skip(comment === undefined ? result : `${result}, ${comment}`);
  const { authority, location } = record;
  const evidence = authority === undefined ? '' : `;\n a=${authority}`;
  header.prepend('BIMI-Location', `v=BIMI1;\n l=${location}${evidence}`);
  return pass(record.domain);
}

/** Why no logo is looked for: section 7.1. */
function lackOf({ mailboxes, organization, policy, published, result }: DmarcResult): Finding | undefined {
  const skipped = (comment: string): Finding => ({ result: 'skipped', comment });
  if (mailboxes > 1) return skipped('multiple From addresses');
  if (result === 'temperror') return { result: 'temperror', comment: 'DMARC could not be checked' };
  if (result !== 'pass' || published === undefined)
    return skipped(result === 'none' ? 'DMARC not enabled' : 'message failed DMARC');
  if (published.isTested || policy === 'none' || published.p === 'none')
    return skipped('too lax DMARC policy');
  if (organization === undefined)
    return { result: 'temperror', comment: 'DMARC of the organizational domain could not be looked up' };
  if (organization.p === 'none') return skipped('too lax DMARC policy of the organizational domain');
  return published.sp === 'none' || organization.sp === 'none'
    ? skipped('too lax DMARC subdomain policy')
    : undefined;
}

/** The selector at the Author Domain, then at the Organizational Domain: section 7.2. */
async function discover(
  { headerFrom = '', organization }: DmarcResult,
  selectors: readonly string[],
  resolve: MailauthResolver,
): Promise<Finding> {
  if (selectors.length > 1) return { result: 'fail', comment: 'multiple BIMI-Selector headers' };
  const [field] = selectors;
  const selector = field === undefined ? 'default' : selectorIn(field);
  if (selector === undefined) return { result: 'fail', comment: 'BIMI-Selector header without a selector' };
  for (const domain of new Set([headerFrom, organization?.domain ?? headerFrom])) {
    const found = await recordsAt(`${selector}._bimi.${domain}`, resolve);
    if (found === undefined)
      return { result: 'temperror', comment: `no answer for ${selector}._bimi.${domain}` };
    if (found.length > 1)
      return { result: 'fail', comment: `multiple records at ${selector}._bimi.${domain}` };
    if (found.length === 1) return readRecord(found[0]!, domain, selector);
  }
  return { result: 'none' };
}

/** Section 4.4: `v=BIMI1; s=NAME`. */
function selectorIn(field: string): string | undefined {
  const tags = tagsOf(field);
  const selector = tags.get('s')?.toLowerCase() ?? '';
  if (tags.get('v')?.toUpperCase() !== 'BIMI1') return undefined;
  return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/.test(selector)
    ? selector
    : undefined;
}

/** Undefined: the DNS did not tell. */
async function recordsAt(name: string, resolve: MailauthResolver): Promise<readonly string[] | undefined> {
  try {
    const records = (await resolve(name, 'TXT')).map((record) => [record].flat().join(''));
    return records.filter((record) => /^\s*v\s*=\s*BIMI1\s*(?:;|$)/i.test(record));
  } catch (cause) {
    const { code } = cause as { readonly code?: string };
    return code === 'ENOTFOUND' || code === 'ENODATA' ? [] : undefined;
  }
}

function readRecord(text: string, domain: string, selector: string): Finding {
  const tags = tagsOf(text);
  const location = tags.get('l');
  const authority = tags.get('a');
  // Section 4.3.1: the domain declines.
  if (location === '' && (authority === undefined || authority === '')) return { result: 'declined' };
  if (location === undefined || !isSecureUrl(location))
    return { result: 'fail', comment: 'invalid location in the record' };
  if (authority !== undefined && authority !== '' && !isSecureUrl(authority))
    return { result: 'fail', comment: 'invalid authority in the record' };
  return { result: 'pass', record: { domain, selector, location, authority: authority || undefined } };
}

/** Of printable ASCII without what ends a tag: it goes into a header field. */
const isSecureUrl = (text: string): boolean =>
  text.length <= 900 && /^https:\/\/[!-:<-~]+$/i.test(text) && URL.canParse(text);

/** RFC 6376 section 3.2. */
const tagsOf = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text.split(';').flatMap((tag) => {
      const [name = '', ...value] = tag.split('=');
      return value.length === 0 ? [] : [[name.trim().toLowerCase(), value.join('=').trim()] as const];
    }),
  );
