/** MTA-STS: the record that announces a policy, and the policy. RFC 8461 section 3. */

export interface StsPolicy {
  readonly mode: 'enforce' | 'testing' | 'none';
  /** Seconds the policy holds from the moment it was fetched. */
  readonly maxAgeSeconds: number;
  /** Names of mail hosts in lower case; `*.example.com` stands for one label. */
  readonly mx: readonly string[];
}

/** RFC 8461 section 3.2: a year of 365.25 days. Longer ages fit the grammar, so they are cut and the policy holds. */
const MAX_AGE_SECONDS = 31_557_600;
/** More patterns are not looked at; nobody lists as many hosts. */
const MAX_PATTERNS = 100;
const PATTERN = /^(?:\*\.)?[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;

const LINE = /^([a-zA-Z0-9][a-zA-Z0-9_.-]{0,31})[ \t]*:(.*)$/;
const FIELD = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,31}=[!-:<>-~]+$/;
const ID = /^id=([a-zA-Z0-9]{1,32})$/;

/**
 * The id that the texts of `_mta-sts.DOMAIN` announce; undefined if none or several do, or if the one that does is not made
 * up as RFC 8461 section 3.1 has it. Of an id that stands twice the first counts (section 3.2).
 */
export function announcedId(texts: readonly string[]): string | undefined {
  const records = texts.filter((text) => /^v=STSv1[ \t]*;/.test(text));
  if (records.length !== 1) return undefined;
  const [, ...fields] = records[0]!.split(';').map(withoutBlanks);
  if (fields.at(-1) === '') fields.pop();
  if (!fields.every((field) => FIELD.test(field))) return undefined;
  return ID.exec(fields.find((field) => field.startsWith('id=')) ?? '')?.[1];
}

/** Undefined for what is no valid policy. Of a key that stands twice the first counts, unknown ones are passed over: section 3.2. */
export function parseStsPolicy(policy: string): StsPolicy | undefined {
  const values = new Map<string, string[]>();
  for (const line of policy.split(/\r?\n/)) {
    if (line === '') continue;
    const [, key, text] = LINE.exec(line) ?? [];
    if (key === undefined || text === undefined) return undefined;
    const value = withoutBlanks(text);
    const known = values.get(key);
    if (known === undefined) values.set(key, [value]);
    else if (known.length < MAX_PATTERNS) known.push(value);
  }
  const mode = values.get('mode')?.[0];
  const maxAge = values.get('max_age')?.[0] ?? '';
  const mx = (values.get('mx') ?? []).map((pattern) => pattern.toLowerCase());
  if (values.get('version')?.[0] !== 'STSv1') return undefined;
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none') return undefined;
  if (!/^\d{1,10}$/.test(maxAge)) return undefined;
  if (!mx.every((pattern) => PATTERN.test(pattern)) || (mode !== 'none' && mx.length === 0)) return undefined;
  return { mode, maxAgeSeconds: Math.min(Number(maxAge), MAX_AGE_SECONDS), mx };
}

/** The host stands in the policy. RFC 8461 section 4.1. */
export function isInPolicy({ mx }: StsPolicy, host: string): boolean {
  const dot = host.indexOf('.');
  const wildcard = dot > 0 ? `*${host.slice(dot)}` : undefined;
  return mx.some((pattern) => pattern === host || pattern === wildcard);
}

const isBlank = (character: string | undefined): boolean => character === ' ' || character === '\t';

/**
 * Without the blanks around it. Not by a pattern: one for blanks at the end tries each of them anew, and a domain that
 * announces 60,000 of them would stop this process for half a minute.
 */
function withoutBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text[start])) start++;
  while (end > start && isBlank(text[end - 1])) end--;
  return text.slice(start, end);
}
