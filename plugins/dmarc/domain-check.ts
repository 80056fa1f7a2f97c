/** DMARC for one Author Domain. RFC 9989 sections 4.10 and 5.3. */

import { evaluateDmarc } from '../mailauth/dmarc.ts';
import { mailauthResolver, type MailauthLookups, type MailauthResolver } from '../mailauth/dns-resolver.ts';
import type {
  DmarcPolicy,
  OrganizationPolicy,
  PublishedPolicy,
  ReportedSignature,
  SpfResult,
} from '../mailauth/sender-results.ts';

/** What SPF and DKIM have found. */
export interface Evidence {
  /** Undefined: SPF was not checked. */
  readonly spf: SpfResult | undefined;
  readonly signatures: readonly ReportedSignature[];
  /** Why nobody knows what DKIM says: a failure of this host. */
  readonly fault?: string | undefined;
}

export interface DomainCheck {
  readonly domain: string;
  readonly result: 'none' | 'pass' | 'fail' | 'temperror';
  readonly published: PublishedPolicy | undefined;
  /** For messages that fail, `sp`, `np` and `t` worked in; undefined without a policy, or where it could not be told. */
  readonly policy: DmarcPolicy | undefined;
  readonly isSpfAligned: boolean;
  readonly isDkimAligned: boolean;
  /** What went wrong, of a `temperror`. */
  readonly error: string | undefined;
  readonly organization: OrganizationPolicy | undefined;
}

/**
 * The questions of one message to the DNS: each asked once, all of them together for so long and no longer. One that nobody comes
 * for is no unhandled rejection.
 */
export function questionsTo(
  services: Parameters<typeof mailauthResolver>[0],
  lookups: MailauthLookups,
): MailauthResolver {
  const resolve = mailauthResolver(services, lookups);
  const answers = new Map<string, ReturnType<MailauthResolver>>();
  return (name, type) => {
    const question = `${type} ${name}`;
    const known = answers.get(question);
    if (known !== undefined) return known;
    const answer = resolve(name, type).catch((cause: Error & { readonly code?: string }) => {
      // What went wrong is logged, and by then nobody knows any more what it was about.
      throw Object.assign(new Error(`${question}: ${cause.message}`, { cause }), { code: cause.code });
    });
    answer.catch(() => undefined);
    answers.set(question, answer);
    return answer;
  };
}

/** Asks for the policy, so that it is known by the time the message is. Never rejects. */
export async function lookAhead(domain: string, questions: MailauthResolver): Promise<void> {
  await evaluateDmarc({ headerFrom: [domain], resolver: questions, strict: true });
}

/** Never rejects: what the DNS does not tell makes a `temperror`. */
export async function checkDomain(
  domain: string,
  evidence: Evidence,
  questions: MailauthResolver,
): Promise<DomainCheck> {
  const check = await evaluate(domain, domainsOf(evidence, 'pass'), questions);
  if (check.result !== 'fail') return check;
  if (evidence.fault !== undefined) return { ...check, result: 'temperror', error: evidence.fault };
  // An identifier that may pass another time would have to be aligned to change anything. RFC 9989 section 5.3.6.
  const unknown = domainsOf(evidence, 'temperror');
  if (unknown.spfDomains.length + unknown.dkimDomains.length === 0) return check;
  const other = await evaluate(domain, unknown, questions);
  if (other.result === 'fail') return check;
  return { ...check, result: 'temperror', error: 'SPF or DKIM could not be checked' };
}

interface Identifiers {
  readonly spfDomains: string[];
  readonly dkimDomains: { readonly domain: string }[];
}

function domainsOf({ spf, signatures }: Evidence, wanted: 'pass' | 'temperror'): Identifiers {
  return {
    spfDomains: spf?.result === wanted ? [spf.domain] : [],
    dkimDomains: signatures.filter(({ result }) => result === wanted).map(({ domain }) => ({ domain })),
  };
}

async function evaluate(
  domain: string,
  identifiers: Identifiers,
  questions: MailauthResolver,
): Promise<DomainCheck> {
  const options = { headerFrom: [domain], ...identifiers, resolver: questions, strict: true };
  const { response } = await evaluateDmarc(options);
  const nothing = { domain, published: undefined, policy: undefined, error: undefined };
  const unaligned = { isSpfAligned: false, isDkimAligned: false, organization: undefined };
  // Not for a domain in canonical form.
  if (response === false) return { ...nothing, ...unaligned, result: 'none' };
  const { status, alignment, rr, policyDomain } = response;
  const result = status.result as DomainCheck['result'];
  const error = result === 'temperror' ? String(response.error) : undefined;
  const organization = organizationOf(response, result);
  if (rr === undefined || policyDomain === undefined)
    return { ...nothing, ...unaligned, result, error, organization };
  return {
    domain,
    result,
    published: publishedPolicy(policyDomain, rr, response.p as DmarcPolicy, alignment),
    policy: result === 'temperror' ? undefined : (response.policy as DmarcPolicy),
    isSpfAligned: typeof alignment.spf.result === 'string',
    isDkimAligned: typeof alignment.dkim.result === 'string',
    error,
    organization,
  };
}

/** mailauth keeps the record where it is not printed: null if nobody knows, false if there is none. */
function organizationOf(response: object, result: string): OrganizationPolicy | undefined {
  const { domain, orgRecord = false } = response as {
    readonly domain: string;
    readonly orgRecord?: { readonly p?: string; readonly sp?: string } | false | null;
  };
  if (orgRecord === null || result === 'temperror') return undefined;
  if (orgRecord === false) return { domain, p: undefined, sp: undefined };
  return { domain, p: policyOf(orgRecord.p), sp: policyOf(orgRecord.sp) };
}

/** `p` is what holds where the record's own is missing or wrong. RFC 9989 section 4.10.1. */
function publishedPolicy(
  domain: string,
  record: string,
  p: DmarcPolicy,
  alignment: { readonly spf: { readonly strict?: boolean }; readonly dkim: { readonly strict?: boolean } },
): PublishedPolicy {
  const tags = tagsOf(record);
  return {
    domain,
    p,
    sp: policyOf(tags.get('sp')),
    np: policyOf(tags.get('np')),
    adkim: alignment.dkim.strict === true ? 's' : 'r',
    aspf: alignment.spf.strict === true ? 's' : 'r',
    fo: tags.get('fo'),
    isTested: tags.get('t')?.toLowerCase() === 'y',
    rua: urisOf(tags.get('rua')),
  };
}

/** RFC 9989 section 4.8. mailauth has refused a record with the same tag twice. */
function tagsOf(record: string): ReadonlyMap<string, string> {
  return new Map(
    record.split(';').map((tag) => {
      const equals = tag.indexOf('=');
      return [tag.slice(0, Math.max(equals, 0)).trim(), tag.slice(equals + 1).trim()];
    }),
  );
}

function policyOf(value: string | undefined): DmarcPolicy | undefined {
  const policy = value?.toLowerCase();
  return policy === 'none' || policy === 'quarantine' || policy === 'reject' ? policy : undefined;
}

const urisOf = (list = ''): readonly string[] =>
  list
    .split(',')
    .map((uri) => uri.trim().replace(/![0-9]+[kmgt]?$/i, ''))
    .filter((uri) => uri !== '');
