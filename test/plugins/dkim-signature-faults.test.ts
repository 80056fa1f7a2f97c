import { createHash, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { fakeResolver, type FakeDnsName } from '../../host/testing/index.ts';
import { MAX_SIGNATURES } from '../../plugins/mailauth/signature-verifier.ts';
import { keyTags, NOW, outcomes, RFC_6376, verified, withSignature, type Pair } from './dkim-samples.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 1_024 });
const ed25519 = generateKeyPairSync('ed25519');

const MESSAGE = 'From: ann@example.org\nTo: bob@example.net\nSubject: a\n\nOne  line \nand another\n';
const SECONDS = NOW / 1_000;

const zone = (...records: readonly string[]): Readonly<Record<string, FakeDnsName>> => ({
  's1._domainkey.example.org': { TXT: records },
});
const RSA_RECORD = `v=DKIM1; ${keyTags(rsa)}`;
const GOOD = zone(RSA_RECORD);

const outcomeOf = async (message: string, zones: Parameters<typeof verified>[1]): Promise<string> =>
  outcomes(await verified(message, zones)).join(', ');

describe('tags of a signature', () => {
  test.each<[section: string, tags: Readonly<Record<string, string | undefined>>, outcome: string]>([
    ['3.5', {}, 'pass'],
    ['3.5 v=', { v: '2' }, 'neutral incompatible version'],
    ['3.5 v=', { v: undefined }, 'neutral signature missing required tag'],
    ['3.5 a=', { a: 'rsa-sha512' }, 'neutral unknown algorithm'],
    ['3.5 a=', { a: 'dsa-sha256' }, 'neutral unknown algorithm'],
    ['3.5 b=', { h: undefined }, 'neutral signature missing required tag'],
    ['3.5 bh=', { bh: 'AAAA' }, 'fail body hash did not verify'],
    ['3.5 c=', { c: 'nofws' }, 'neutral unknown canonicalization'],
    ['3.5 d=', { d: undefined }, 'neutral signature missing required tag'],
    ['3.5 d=', { d: 'exa mple' }, 'neutral signature syntax error'],
    ['3.5 h=', { h: 'to:subject' }, 'neutral From field not signed'],
    ['3.5 h=', { h: 'from:from:to:to:x-none' }, 'pass'],
    ['3.5 i=', { i: 'ann@mail.example.org' }, 'pass'],
    ['3.5 i=', { i: 'ann@other.example' }, 'neutral domain mismatch'],
    ['3.5 i=', { i: '@notexample.org' }, 'neutral domain mismatch'],
    ['3.5 i=', { i: 'ann' }, 'neutral signature syntax error'],
    ['3.5 q=', { q: 'http' }, 'neutral unsupported query method'],
    ['3.5 s=', { s: '../x' }, 'neutral signature syntax error'],
    ['3.5 t=', { t: 'yesterday' }, 'neutral signature syntax error'],
    ['3.5 t=', { t: String(SECONDS - 60) }, 'pass'],
    ['3.5 t=', { t: String(SECONDS + 200) }, 'pass'],
    ['3.5 t=', { t: String(SECONDS + 3_600) }, 'neutral signed in the future'],
    ['3.5 x=', { t: String(SECONDS - 9), x: String(SECONDS + 9) }, 'pass'],
    ['3.5 x=', { x: String(SECONDS - 1) }, 'neutral expired'],
    ['3.5 x=', { t: String(SECONDS), x: String(SECONDS - 1) }, 'neutral invalid expiration'],
    ['3.5 l=', { l: '26' }, 'neutral body shorter than signed'],
    ['3.5 l=', { l: '23' }, 'pass'],
    ['3.5 l=', { l: '10' }, 'policy 13 octets of the body not signed'],
    ['3.5 l=', { l: '0' }, 'policy 23 octets of the body not signed'],
    ['3.5 l=', { l: '-1' }, 'neutral signature syntax error'],
    ['3.2', { n: 'a', 'd ': 'x' }, 'neutral signature syntax error'],
    ['3.2', { unknown: 'tag' }, 'pass'],
    ['RFC 8301 section 3.1', { a: 'rsa-sha1' }, 'policy weak algorithm'],
  ])('RFC 6376 section %s: %j is %s', async (section, tags, outcome) => {
    const sha1 = section.startsWith('RFC 8301') ? { bh: sha1BodyHash } : {};
    expect(await outcomeOf(withSignature(MESSAGE, rsa, { ...tags, ...sha1 }), GOOD)).toBe(outcome);
  });

  test('RFC 6376 section 8.2: a line of configuration lets l= pass', async () => {
    const message = withSignature(MESSAGE, rsa, { l: '10' });
    expect(outcomes(await verified(message, GOOD, { isPartialFine: true }))).toEqual(['pass']);
  });
});

describe('records of a key', () => {
  const p = keyTags(rsa);
  const empty = { 's1._domainkey.example.org': {} };
  test.each<[section: string, zones: Parameters<typeof verified>[1], outcome: string]>([
    ['3.6.1', zone(p), 'pass'],
    ['3.6.1 v=', zone(`v=DKIM2; ${p}`), 'permerror unknown key version'],
    ['3.6.1 v=', zone(`${p}; v=DKIM1`), 'permerror unknown key version'],
    ['3.6.1 h=', zone(`v=DKIM1; h=sha256; ${p}`), 'pass'],
    ['3.6.1 h=', zone(`v=DKIM1; h=sha1; ${p}`), 'permerror inappropriate hash algorithm'],
    ['3.6.1 k=', zone(`v=DKIM1; ${p.replace('k=rsa', 'k=ed25519')}`), 'permerror unknown key type'],
    ['3.6.1 k=', zone(`v=DKIM1; ${keyTags(ed25519)}`), 'permerror inappropriate key algorithm'],
    ['3.6.1 k=', zone(`v=DKIM1; ${p.replace('k=rsa', 'k=x')}`), 'permerror unknown key type'],
    ['3.6.1 p=', zone('v=DKIM1; p='), 'permerror key revoked'],
    ['3.6.1 p=', zone('v=DKIM1; p=!'), 'permerror invalid public key'],
    ['3.6.1 p=', zone('v=DKIM1; p=AAAA'), 'permerror unknown key type'],
    ['3.6.1 s=', zone(`v=DKIM1; s=tlsrpt; ${p}`), 'permerror key not for email'],
    ['3.6.1 s=', zone(`v=DKIM1; s=tlsrpt:email; ${p}`), 'pass'],
    ['3.6.1 t=y', zone(`v=DKIM1; t=y; ${p}`), 'pass test key'],
    ['3.6.1 t=s', zone(`v=DKIM1; t=s; ${p}`), 'pass'],
    ['3.6.2.2', zone('v=spf1 -all', `v=DKIM1; ${p}`), 'pass'],
    ['6.1.2', {}, 'permerror no key'],
    ['6.1.2', empty, 'permerror no key'],
    ['6.1.2', { 's1._domainkey.example.org': 'SERVFAIL' }, 'temperror key lookup: ESERVFAIL'],
    ['6.1.2', { 's1._domainkey.example.org': 'REFUSED' }, 'temperror key lookup: EREFUSED'],
  ])('RFC 6376 section %s: %j is %s', async (_section, zones, outcome) => {
    expect(await outcomeOf(withSignature(MESSAGE, rsa), zones)).toBe(outcome);
  });

  test('RFC 6376 section 6.1.2: silent servers hold the message up once, however many signatures name them', async () => {
    let message = MESSAGE;
    const names = Array.from({ length: 10 }, (_, index) => `s${index}`);
    for (const s of names) message = withSignature(message, rsa, { s });
    const resolver = fakeResolver(
      Object.fromEntries(names.map((name) => [`${name}._domainkey.example.org`, 'timeout' as const])),
    );
    const found = verified(message, {}, { resolver });
    for (const s of names) await resolver.whenAsked(`TXT ${s}._domainkey.example.org`);
    await resolver.advance(10_000);
    expect(outcomes(await found)).toEqual(names.map(() => 'temperror key lookup: ETIMEOUT'));
  });

  test('RFC 6376 section 3.6.1 t=s: i= may not be of a subdomain', async () => {
    const message = withSignature(MESSAGE, rsa, { i: '@mail.example.org' });
    expect(await outcomeOf(message, zone(`v=DKIM1; t=s; ${p}`))).toBe('neutral domain mismatch');
  });

  test('RFC 8463 section 3: Ed25519, whose key is 32 octets', async () => {
    const message = withSignature(MESSAGE, ed25519);
    expect(await outcomeOf(message, zone(`v=DKIM1; ${keyTags(ed25519)}`))).toBe('pass');
    const der = ed25519.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    expect(await outcomeOf(message, zone(`v=DKIM1; k=ed25519; p=${der}`))).toBe(
      'permerror invalid public key',
    );
    expect(await outcomeOf(message, GOOD)).toBe('permerror inappropriate key algorithm');
  });

  test.each([
    [512, 'policy weak key'],
    [768, 'policy weak key'],
    [4_096, 'pass'],
  ])('RFC 8301 section 3.2: a key of %i bits is %s', async (bits, outcome) => {
    const pair: Pair = generateKeyPairSync('rsa', { modulusLength: bits });
    expect(await outcomeOf(withSignature(MESSAGE, pair), zone(`v=DKIM1; ${keyTags(pair)}`))).toBe(outcome);
  });

  test('a key of 5,120 or 16,384 bits, or one whose public exponent is as long as its modulus, costs nothing', async () => {
    const larger = { publicKey: rsaPublicKey(640, 65_537n) };
    const huge = { publicKey: rsaPublicKey(2_048, 65_537n) };
    const slow = { publicKey: rsaPublicKey(256, (1n << 2_000n) + 1n) };
    for (const { publicKey } of [larger, huge, slow]) {
      const record = `v=DKIM1; p=${publicKey.toString('base64')}`;
      expect(await outcomeOf(withSignature(MESSAGE, rsa), zone(record))).toBe('policy key too large');
    }
  });

  test('a record of 64 KB', async () => {
    expect(await outcomeOf(withSignature(MESSAGE, rsa), zone(`v=DKIM1; n=${'x'.repeat(65_000)}; ${p}`))).toBe(
      'policy key too large',
    );
  });
});

describe('the message', () => {
  test.each([
    ['its body', (text: string) => text.replace('another', 'other'), 'fail body hash did not verify'],
    ['a signed field', (text: string) => text.replace('ann@', 'eve@'), 'fail bad signature'],
    ['the signature', (text: string) => text.replace('; b=', '; b=A'), 'fail bad signature'],
    ['a field nobody signed', (text: string) => text.replace('Subject: a', 'Subject: b'), 'pass'],
    ['a second From on top', (text: string) => `From: eve@example.net\r\n${text}`, 'policy 2 From fields'],
    [
      'a second From below',
      (text: string) => text.replace('Subject: a', 'From: eve@x.example'),
      'policy|fail',
    ],
    ['no From', (text: string) => text.replace('From:', 'X-From:'), 'fail bad signature'],
    ['a From whose colon is in the next line', (text: string) => text.replace('From:', 'From\r\n :'), 'pass'],
  ])('RFC 6376 sections 3.8 and 6.1.3: with %s changed', async (_what, change, outcome) => {
    const found = await outcomeOf(change(withSignature(MESSAGE, rsa)), GOOD);
    expect(found).toMatch(new RegExp(`^(${outcome})`));
  });

  test.each([
    ['two addresses', 'a@example.org, b@example.net', ['a@example.org', 'b@example.net']],
    ['a group', 'Friends: a@example.org, b@example.net;', ['a@example.org', 'b@example.net']],
    ['a comment', '(x@evil.example) a@example.org (b@c.example)', ['a@example.org']],
    ['an encoded name', '=?utf-8?q?x=40evil.example?= <a@example.org>', ['a@example.org']],
    ['a quoted name', '"x@evil.example" <a@example.org>', ['a@example.org']],
    ['a fold', '"A\n B"\n <a@example.org>', ['a@example.org']],
    ['an IDN', 'a@b\xc3\xbccher.example', ['a@b\xc3\xbccher.example']],
    ['nothing', '', []],
  ])('From with %s', async (_what, from, addresses) => {
    const { headerFrom } = await verified(
      Buffer.from(`From: ${from}\r\n\r\nx\r\n`.replace(/\r?\n/g, '\r\n'), 'latin1'),
      {},
    );
    expect(headerFrom.map((address) => Buffer.from(address).toString())).toEqual(
      addresses.map((address) => Buffer.from(address, 'latin1').toString()),
    );
  });

  test('fifty signatures: the first ten are looked at, and each key is asked for once', async () => {
    let message = MESSAGE;
    for (let count = 0; count < 50; count++) message = withSignature(message, rsa);
    const resolver = fakeResolver(GOOD);
    const { signatures, passedOver } = await verified(message, {}, { resolver });
    expect(signatures.map(({ result }) => result)).toEqual(Array(MAX_SIGNATURES).fill('pass'));
    expect(passedOver).toBe(40);
    expect(resolver.questions).toEqual(['TXT s1._domainkey.example.org']);
  });

  test('a signature of 20,000 octets is passed over', async () => {
    const message = withSignature(MESSAGE, rsa, { h: `from:${'x:'.repeat(9_998)}x` });
    expect(await verified(message, GOOD)).toMatchObject({ signatures: [], passedOver: 1 });
  });

  test('a From of more than 2,048 octets has no addresses that could be read in time', async () => {
    const many = `From: ${'a@b.example, '.repeat(300)}c@d.example\n\nx\n`;
    expect(await verified(many, {})).toMatchObject({ headerFrom: [], fromFields: 1 });
  });

  test('a signature over more than 64 KB of header is not computed', async () => {
    const message = `From: ann@example.org\nTo: ${'b@example.net,\n '.repeat(5_000)}c@example.net\n\nx\n`;
    expect(await outcomeOf(withSignature(message, rsa, { h: 'from:to' }), GOOD)).toBe(
      'policy signed header too large',
    );
    expect(await outcomeOf(withSignature(message, rsa), GOOD)).toBe('pass');
  });

  test('a header of one-octet lines', async () => {
    const message = `From: ann@example.org\nX: a${'\n b'.repeat(60_000)}\n\nx\n`;
    expect(await outcomeOf(withSignature(message, rsa), GOOD)).toBe('pass');
  });

  test('signatures of several results', async () => {
    const message = withSignature(withSignature(RFC_6376.message, rsa, { s: 'none' }), rsa);
    const zones = { ...RFC_6376.zones, ...GOOD };
    expect(await outcomeOf(message, zones)).toBe('pass, permerror no key, pass');
  });
});

/** SHA-1 of the body of `MESSAGE` in relaxed form. */
const sha1BodyHash = createHash('sha1').update('One line\r\nand another\r\n').digest('base64');

/** SubjectPublicKeyInfo of a key that nobody has: modulus of so many octets, all ones. RFC 3279 section 2.3.1. */
function rsaPublicKey(octets: number, exponent: bigint): Buffer {
  const hex = exponent.toString(16);
  const e = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  const key = der(
    0x30,
    der(0x02, Buffer.from([0]), Buffer.alloc(octets, 0xff)),
    der(0x02, Buffer.from([0]), e),
  );
  const algorithm = Buffer.from('300d06092a864886f70d0101010500', 'hex');
  return der(0x30, algorithm, der(0x03, Buffer.from([0]), key));
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const length = Buffer.from([0x82, content.length >> 8, content.length & 0xff]);
  return Buffer.concat([Buffer.from([tag]), length, content]);
}
