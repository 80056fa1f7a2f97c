/**
 * Signs what goes out. RFC 6376 section 5. Written here and not left to mailauth, which lists a field in `h=` only as often as it
 * occurs: a field added on the way would then be covered by no signature (section 8.15).
 */

import { createHash, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { CanonicalBody, PartHash, type Canonicalization } from './body-digest.ts';
import { relaxedField, type RawField, type SplitMessage } from './header-text.ts';
import { yieldTurn } from '../../bindings/timing/turn.ts';
import type { SigningKey } from './signing-keys.ts';

export interface SignatureForm {
  readonly header: Canonicalization;
  readonly body: Canonicalization;
  /** Seconds since the epoch; `expires` undefined: never. */
  readonly time: number;
  readonly expires: number | undefined;
}

/** Listed once more than they occur, as a second one would be shown, or would change what is shown. */
const SEALED: ReadonlySet<string> = new Set(['from', 'reply-to', 'subject', 'to', 'cc']);
/** The same if they occur. A hop after this one may add those that are missing. */
const SEALED_IF_THERE: ReadonlySet<string> = new Set([
  'date',
  'message-id',
  'mime-version',
  'content-type',
  'content-transfer-encoding',
]);
/** As often as they occur. RFC 6376 section 5.4.1. */
const LISTED: ReadonlySet<string> = new Set([
  'sender',
  'in-reply-to',
  'references',
  'list-id',
  'list-help',
  'list-unsubscribe',
  'list-unsubscribe-post',
  'list-subscribe',
  'list-post',
  'list-owner',
  'list-archive',
  'auto-submitted',
]);

const LINE = 76;

/** Values of DKIM-Signature fields for the message as it is now, one for each key; folds are LF and a blank. */
export async function signaturesOf(
  { fields, body }: SplitMessage,
  keys: readonly SigningKey[],
  form: SignatureForm,
): Promise<readonly string[]> {
  const bodyHash = await bodyHashOf(body, form.body);
  const names = signedNames(fields);
  const signed = signedFields(fields, names);
  const values: string[] = [];
  // One after the other: each takes its share of a core.
  for (const key of keys) values.push(await signatureBy(key, form, names, signed, bodyHash));
  return values;
}

/** `bh=` of the whole body. */
export async function bodyHashOf(body: SplitMessage['body'], form: Canonicalization): Promise<string> {
  const canonical = new CanonicalBody(form);
  const hash = new PartHash('sha256', undefined);
  canonical.parts.push(hash);
  for await (const block of body) {
    canonical.update(block);
    await yieldTurn();
  }
  canonical.finish();
  return hash.digest();
}

/** The names for `h=`. */
export function signedNames(fields: readonly RawField[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { key } of fields) counts.set(key, (counts.get(key) ?? 0) + 1);
  const times = (name: string): number => {
    const count = counts.get(name) ?? 0;
    if (SEALED.has(name)) return count + 1;
    return SEALED_IF_THERE.has(name) && count > 0 ? count + 1 : count;
  };
  return [...SEALED, ...SEALED_IF_THERE, ...LISTED].flatMap((name) => Array<string>(times(name)).fill(name));
}

/** What the names stand for: of each the last one first. RFC 6376 section 5.4.2. */
export function signedFields(fields: readonly RawField[], names: readonly string[]): readonly Buffer[] {
  const left = new Map<string, Buffer[]>();
  for (const { key, line } of fields) {
    const lines = left.get(key);
    if (lines === undefined) left.set(key, [line]);
    else lines.push(line);
  }
  return names.flatMap((name) => left.get(name)?.pop() ?? []);
}

const signAsync = promisify<string | null, Buffer, SigningKey['key'], Buffer>(sign);

async function signatureBy(
  key: SigningKey,
  { header, body, time, expires }: SignatureForm,
  names: readonly string[],
  signed: readonly Buffer[],
  bodyHash: string,
): Promise<string> {
  const { algorithm, domain, selector } = key;
  const tags = [
    `v=1; a=${algorithm}; c=${header}/${body}; d=${domain}; s=${selector};`,
    `t=${time};${expires === undefined ? '' : ` x=${expires};`}`,
    ...foldNames(names),
    `bh=${bodyHash};`,
    'b=',
  ];
  const unsigned = tags.join('\n\t');
  const octets = Buffer.concat([
    ...signed.map((line) => canonicalField(line, header, '\r\n')),
    ownField(unsigned, header),
  ]);
  return unsigned + (await signatureOver(octets, key));
}

/** `b=`, folded. RFC 8463 section 3: Ed25519 signs the hash. */
export async function signatureOver(octets: Buffer, { algorithm, key }: SigningKey): Promise<string> {
  const signature =
    algorithm === 'rsa-sha256'
      ? await signAsync('sha256', octets, key)
      : await signAsync(null, createHash('sha256').update(octets).digest(), key);
  return (signature.toString('base64').match(/.{1,72}/g) ?? []).join('\n\t');
}

const ownField = (value: string, header: Canonicalization): Buffer =>
  canonicalField(Buffer.from(`DKIM-Signature: ${value.replaceAll('\n', '\r\n')}`, 'latin1'), header, '');

const canonicalField = (line: Buffer, header: Canonicalization, end: string): Buffer =>
  header === 'simple'
    ? Buffer.concat([line, Buffer.from(end)])
    : Buffer.from(relaxedField(line) + end, 'latin1');

/** `h=` in lines of at most 76 octets. */
export function foldNames(names: readonly string[]): readonly string[] {
  const lines: string[] = [];
  let line = 'h=';
  for (const [index, name] of names.entries()) {
    const part = `${name}${index === names.length - 1 ? ';' : ':'}`;
    if (line.length + part.length > LINE) {
      lines.push(line);
      line = '';
    }
    line += part;
  }
  return [...lines, line];
}
