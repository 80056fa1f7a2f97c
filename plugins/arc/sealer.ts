/** Makes an ARC set for a message as it is now. RFC 8617 section 5.1. */

import { foldField } from '../../bindings/wire/index.ts';
import type { Message } from '../../bindings/plugin/index.ts';
import type { ArcResult } from '../mailauth/arc-chain.ts';
import { relaxedField, splitMessage, type RawField } from '../mailauth/header-text.ts';
import {
  bodyHashOf,
  foldNames,
  signatureOver,
  signedFields,
  signedNames,
} from '../mailauth/message-signer.ts';
import type { SigningKey } from '../mailauth/signing-keys.ts';

/** RFC 8617 section 4.2.1. */
const MAX_SETS = 50;

/** Names and values of the fields of a set, in the order in which they are put on top. Folds are LF and a blank. */
export type ArcFields = readonly (readonly [name: string, value: string])[];

const RESULTS = 'ARC-Authentication-Results';
const SIGNATURE = 'ARC-Message-Signature';
const SEAL = 'ARC-Seal';

/**
 * A set with `results` (the value of our own Authentication-Results) and the status of the chain as it came. Undefined if the
 * chain takes no further set: it has been marked as failed before, or it has 50. RFC 8617 sections 4.2.1 and 5.1.
 */
export async function arcSet(
  message: Message,
  results: string,
  chain: ArcResult,
  key: SigningKey,
  /** Seconds since the epoch. */
  time: number,
): Promise<ArcFields | undefined> {
  const split = await splitMessage(message);
  try {
    const instance = nextInstance(split.fields);
    if (instance === undefined) return undefined;
    const bodyHash = await bodyHashOf(split.body, 'relaxed');
    const ams = await signatureOf(split.fields, bodyHash, instance, key, time);
    return await sealed(instance, results, ams, chain, key, time);
  } finally {
    await split.close();
  }
}

async function sealed(
  instance: number,
  results: string,
  ams: string,
  chain: ArcResult,
  key: SigningKey,
  time: number,
): Promise<ArcFields> {
  const status = chain.result ?? 'fail';
  const aar = foldField(RESULTS, [`i=${instance};`, ...results.split(/(?<=;) /)]);
  const above = [
    [RESULTS, aar],
    [SIGNATURE, ams],
  ] as const;
  // Of a chain that fails nobody knows any more what it said: the seal covers this set alone (section 5.1.2).
  const below = status === 'fail' ? [] : chain.sets.flatMap(({ lines }) => lines);
  const tags = `i=${instance}; a=${key.algorithm}; t=${time}; cv=${status};\n\td=${key.domain}; s=${key.selector};\n\tb=`;
  const covered = [...below.map((line) => relaxedField(line)), ...above.map(relaxed), relaxed([SEAL, tags])];
  const seal = tags + (await signatureBy(key, covered));
  return [...above, [SEAL, seal]];
}

async function signatureOf(
  fields: readonly RawField[],
  bodyHash: string,
  instance: number,
  key: SigningKey,
  time: number,
): Promise<string> {
  // Results of others are taken out on the way, and the set has its own. RFC 8617 section 4.1.2.
  const names = [...signedNames(fields), ...fields.map(({ key: name }) => name).filter(isDkimSignature)];
  const signed = signedFields(fields, names);
  const tags = [
    `i=${instance}; a=${key.algorithm}; c=relaxed/relaxed; t=${time};`,
    `d=${key.domain}; s=${key.selector};`,
    ...foldNames(names),
    `bh=${bodyHash};`,
    'b=',
  ].join('\n\t');
  const lines = [...signed.map((line) => relaxedField(line)), relaxed([SIGNATURE, tags])];
  return tags + (await signatureBy(key, lines));
}

const isDkimSignature = (name: string): boolean => name === 'dkim-signature';

const relaxed = ([name, value]: readonly [string, string]): string =>
  relaxedField(Buffer.from(`${name}: ${value.replaceAll('\n', '\r\n')}`));

/** The lines but for the last end in CRLF. */
const signatureBy = (key: SigningKey, lines: readonly string[]): Promise<string> =>
  signatureOver(Buffer.from(lines.join('\r\n'), 'latin1'), key);

/** What stands in front of the field's value tells where a new set goes, also where the chain cannot be read otherwise. */
const INSTANCE = /(?:^|;)\s*i\s*=\s*(\d{1,5})\s*(?:;|$)/;
const ARC_FIELD = /^arc-(?:seal|message-signature|authentication-results)$/;

function nextInstance(fields: readonly RawField[]): number | undefined {
  let highest = 0;
  let isFailed = false;
  for (const { key, line } of fields) {
    if (!ARC_FIELD.test(key)) continue;
    const value = line.latin1Slice().replace(/\r\n/g, '');
    const text = value.slice(value.indexOf(':') + 1);
    const instance = Number(INSTANCE.exec(text)?.[1] ?? 0);
    if (instance > highest) [highest, isFailed] = [instance, false];
    if (instance === highest && key === 'arc-seal' && /(?:^|;)\s*cv\s*=\s*fail\s*(?:;|$)/i.test(text))
      isFailed = true;
  }
  return isFailed || highest >= MAX_SETS ? undefined : highest + 1;
}
