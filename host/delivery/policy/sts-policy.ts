/** MTA-STS: the record that announces a policy, and the policy. RFC 8461 section 3. */

export interface StsPolicy {
  readonly mode: 'enforce' | 'testing' | 'none';
  /** Seconds the policy holds from the moment it was fetched. */
  readonly maxAgeSeconds: number;
  /** Names of mail hosts in lower case; `*.example.com` stands for one label. */
  readonly mx: readonly string[];
}

/** RFC 8461 section 3.2: a year, and days for the leap. */
const MAX_AGE_SECONDS = 31_557_600;
/** More patterns are not looked at; nobody lists as many hosts. */
const MAX_PATTERNS = 100;
const PATTERN = /^(?:\*\.)?[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;

/** The id that the texts of `_mta-sts.DOMAIN` announce; undefined if none or several do. RFC 8461 section 3.1. */
export function announcedId(texts: readonly string[]): string | undefined {
  const records = texts.filter((text) => /^v=STSv1[ \t]*;/.test(text));
  if (records.length !== 1) return undefined;
  const fields = records[0]!.split(';').map((field) => field.trim());
  const ids = fields.flatMap((field) => /^id=([a-zA-Z0-9]{1,32})$/.exec(field)?.[1] ?? []);
  return ids.length === 1 ? ids[0] : undefined;
}

/** Undefined for what is no valid policy. Of a key that stands twice the first counts; unknown ones are passed over. */
export function parseStsPolicy(text: string): StsPolicy | undefined {
  const values = new Map<string, string[]>();
  for (const line of text.split(/\r?\n/)) {
    if (line === '') continue;
    const [, key, value] = /^([a-zA-Z0-9][a-zA-Z0-9_.-]{0,31})[ \t]*:[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (key === undefined || value === undefined) return undefined;
    const known = values.get(key);
    if (known === undefined) values.set(key, [value]);
    else if (known.length < MAX_PATTERNS) known.push(value);
  }
  const mode = values.get('mode')?.[0];
  const maxAge = values.get('max_age')?.[0] ?? '';
  const mx = (values.get('mx') ?? []).map((pattern) => pattern.toLowerCase());
  if (values.get('version')?.[0] !== 'STSv1') return undefined;
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none') return undefined;
  if (!/^\d{1,10}$/.test(maxAge) || Number(maxAge) > MAX_AGE_SECONDS) return undefined;
  if (!mx.every((pattern) => PATTERN.test(pattern)) || (mode !== 'none' && mx.length === 0)) return undefined;
  return { mode, maxAgeSeconds: Number(maxAge), mx };
}

/** The host stands in the policy. RFC 8461 section 4.1. */
export function isInPolicy({ mx }: StsPolicy, host: string): boolean {
  const dot = host.indexOf('.');
  const wildcard = dot > 0 ? `*${host.slice(dot)}` : undefined;
  return mx.some((pattern) => pattern === host || pattern === wildcard);
}
