/** A certificate that vouches for itself, with its key: for tests and for mail between servers that do not ask further. */

import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIP } from '../../bindings/wire/ip-address.ts';
import {
  bitString,
  explicit,
  implicit,
  integer,
  isTrue,
  objectIdentifier,
  octetString,
  sequence,
  set,
  time,
  utf8String,
} from '../../bindings/wire/der.ts';

export interface SelfSignedOptions {
  /** Host names and IP addresses it stands for; the first is its subject. */
  readonly names: readonly [string, ...string[]];
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface PemPair {
  readonly certificate: string;
  /** PKCS #8, not encrypted. */
  readonly key: string;
}

const ECDSA_WITH_SHA256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'));
const COMMON_NAME = objectIdentifier('2.5.4.3');
const SUBJECT_ALTERNATIVE_NAME = objectIdentifier('2.5.29.17');
const BASIC_CONSTRAINTS = objectIdentifier('2.5.29.19');
const EXTENDED_KEY_USAGE = objectIdentifier('2.5.29.37');
const SERVER_AND_CLIENT = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'];
/** X.520 allows a common name no more. */
const MAX_COMMON_NAME = 64;

/** A new key on the curve P-256 and a version 3 certificate for it. RFC 5280 section 4.1. */
export function makeSelfSigned(options: SelfSignedOptions): PemPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const body = certificateBody(options, publicKey);
  const signature = sign('sha256', body, privateKey);
  const certificate = sequence(body, ECDSA_WITH_SHA256, bitString(signature));
  return {
    certificate: pem('CERTIFICATE', certificate),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function certificateBody({ names, notBefore, notAfter }: SelfSignedOptions, publicKey: KeyObject): Buffer {
  const subject = sequence(set(sequence(COMMON_NAME, utf8String(names[0].slice(0, MAX_COMMON_NAME)))));
  const serial = randomBytes(16);
  return sequence(
    explicit(0, integer(Buffer.of(2))),
    integer(serial),
    ECDSA_WITH_SHA256,
    subject,
    sequence(time(notBefore), time(notAfter)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, extensions(names)),
  );
}

function extensions(names: readonly string[]): Buffer {
  return sequence(
    extension(SUBJECT_ALTERNATIVE_NAME, sequence(...names.map(generalName))),
    sequence(BASIC_CONSTRAINTS, isTrue, octetString(sequence())),
    extension(EXTENDED_KEY_USAGE, sequence(...SERVER_AND_CLIENT.map(objectIdentifier))),
  );
}

const extension = (id: Uint8Array, value: Uint8Array): Buffer => sequence(id, octetString(value));

const DNS_NAME = 2;
const IP_ADDRESS = 7;

function generalName(name: string): Buffer {
  return isIP(name) === 0
    ? implicit(DNS_NAME, Buffer.from(name, 'latin1'))
    : implicit(IP_ADDRESS, addressOctets(name));
}

/** Four octets of an IPv4 address, sixteen of an IPv6 address. */
function addressOctets(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  // The URL parser writes every form of an address in one way: groups in hexadecimal, one gap at most.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const last = groups(tail ?? '');
  const first = groups(head);
  const gap = new Array<number>(8 - first.length - last.length).fill(0);
  return Buffer.from([...first, ...gap, ...last].flatMap((group) => [group >> 8, group & 0xff]));
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
