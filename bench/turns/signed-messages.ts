/** Messages with as many and as costly signatures and ARC sets as a sender may put on them. */

import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import type { FakeDnsZones } from '../../host/testing/index.ts';

export interface Sample {
  readonly message: Buffer;
  readonly zones: FakeDnsZones;
}

const HEADER = 'From: a@author.example\r\nTo: c@d.example\r\nSubject: x\r\n';

interface Pair {
  readonly privateKey: KeyObject;
  readonly record: string;
}

const pairs = new Map<number, Pair>();

function pairOf(bits: number): Pair {
  const pair = pairs.get(bits) ?? makePair(bits);
  pairs.set(bits, pair);
  return pair;
}

function makePair(modulusLength: number): Pair {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength });
  const der = publicKey.export({ type: 'spki', format: 'der' });
  return { privateKey, record: `v=DKIM1; k=rsa; p=${der.toString('base64')}` };
}

const hashOf = (body: Buffer): string => createHash('sha256').update(body).digest('base64');

/** A wrong signature of the right size, which takes as long to verify as a right one. */
const wrongSignature = (octets: number): string =>
  Buffer.concat([Buffer.alloc(1), randomBytes(octets - 1)]).toString('base64');

/** Each by another domain, with a key of the largest size that is verified, over all fields of `above`. */
export function withSignatures(
  body: Buffer,
  count: number,
  { above = '', names = 'from', form = 'relaxed/relaxed', bits = 4_096, canonical = body } = {},
): Sample {
  const zones: Record<string, { TXT: string[] }> = {};
  const { record } = pairOf(bits);
  let fields = '';
  for (let index = 0; index < count; index++) {
    const domain = `d${index}.example`;
    zones[`s._domainkey.${domain}`] = { TXT: [record] };
    // Hashes are made once for each length.
    const length = Math.max(canonical.length - index, 0);
    const tags = `v=1; a=rsa-sha256; c=${form}; d=${domain}; s=s; l=${length}; h=${names};`;
    const bodyHash = hashOf(canonical.subarray(0, length));
    fields += `DKIM-Signature: ${tags} bh=${bodyHash}; b=${wrongSignature(bits / 8)}\r\n`;
  }
  return { message: Buffer.concat([Buffer.from(`${fields}${above}${HEADER}\r\n`), body]), zones };
}

/** A chain of ARC that verifies: sets with seals of their own domains and with results of `padding` octets. */
export function withChain(count: number, padding: number, bits: number): Sample {
  const body = Buffer.from('Hello.\r\n');
  const zones: Record<string, { TXT: string[] }> = {};
  const { privateKey, record } = pairOf(bits);
  const from = 'from:a@author.example\r\n';
  const below: string[] = [];
  let fields = '';
  for (let instance = 1; instance <= count; instance++) {
    const domain = `d${instance}.example`;
    zones[`s._domainkey.${domain}`] = { TXT: [record] };
    const key = `a=rsa-sha256; d=${domain}; s=s;`;
    const results = `i=${instance}; mx.example; dkim=pass ${'header.d=a.example '.repeat(padding / 19)}x=y`;
    const tags = `i=${instance}; ${key} c=relaxed/relaxed; h=from; bh=${hashOf(body)}; b=`;
    const signature = tags + signed(`${from}arc-message-signature:${tags}`, privateKey);
    below.push(`arc-authentication-results:${results}\r\n`, `arc-message-signature:${signature}\r\n`);
    const sealTags = `i=${instance}; ${key} cv=${instance === 1 ? 'none' : 'pass'}; b=`;
    const seal = sealTags + signed(`${below.join('')}arc-seal:${sealTags}`, privateKey);
    below.push(`arc-seal:${seal}\r\n`);
    const set = [`ARC-Seal: ${seal}`, `ARC-Message-Signature: ${signature}`, results];
    fields = `${set.join('\r\n').replace(/\r\n(?=i=)/, '\r\nARC-Authentication-Results: ')}\r\n${fields}`;
  }
  return { message: Buffer.concat([Buffer.from(`${fields}${HEADER}\r\n`), body]), zones };
}

const signed = (text: string, key: KeyObject): string =>
  sign('sha256', Buffer.from(text), key).toString('base64');
