import { describe, expect, test } from 'vitest';
import { parseKeptKeys, parseSalt } from '../../bindings/wire/scram-keys.ts';
import { parseClientFinal, parseClientFirst } from '../../bindings/wire/scram-message.ts';
import { ScramSha256 } from '../../host/auth/scram-sha-256.ts';
import type { HostCredentials } from '../../host/auth/credentials.ts';
import { inWords, surroundings } from './turns.ts';
import { cpuMs } from '../patience.ts';

/** The exchange of RFC 7677 section 3: user `user`, password `pencil`. */
const CLIENT_NONCE = 'rOprNGfwEbeRWgbNEkqO';
const SERVER_NONCE = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
const SALT = 'W22ZaJ0SNY7soEsUEjb6gQ==';
const FIRST = `n,,n=user,r=${CLIENT_NONCE}`;
const PROOF = 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';
const FINAL = `c=biws,r=${CLIENT_NONCE}${SERVER_NONCE},p=${PROOF}`;
/** The same secret as RFC 5803 keeps it. */
const KEPT = `SCRAM-SHA-256$4096:${SALT}$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=`;

function begun(): ScramSha256 {
  const machine = new ScramSha256(surroundings(SERVER_NONCE));
  machine.start(Buffer.from(FIRST));
  machine.salted(parseSalt(`4096:${SALT}`));
  return machine;
}

function credentialsOf(machine: ScramSha256, final = FINAL): HostCredentials {
  const turn = machine.next(Buffer.from(final));
  if (turn.kind !== 'credentials') throw new Error(inWords(turn));
  return turn.credentials;
}

describe('SCRAM-SHA-256: the exchange of RFC 7677 section 3', () => {
  test('first the salt is asked for, then the first message of the server goes out', () => {
    const machine = new ScramSha256(surroundings(SERVER_NONCE));
    expect(inWords(machine.start(undefined))).toBe('challenge');
    expect(inWords(machine.next(Buffer.from(FIRST)))).toBe('salt of user');
    expect(inWords(machine.salted(parseSalt(`4096:${SALT}`)))).toBe(
      `challenge r=${CLIENT_NONCE}${SERVER_NONCE},s=${SALT},i=4096`,
    );
  });

  test.each([['pencil'], [{ scram: KEPT }]])('%j proves it, and the server proves itself', async (secret) => {
    const machine = begun();
    const credentials = credentialsOf(machine);
    expect(machine.isProven).toBe(false);
    expect(await credentials.verify(secret)).toBe(true);
    expect(machine.isProven).toBe(true);
    expect(machine.conclude(true)!.toString()).toBe('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
    expect(machine.conclude(false)).toBeUndefined();
  });

  test.each([
    ['Pencil'],
    [''],
    [{ scram: KEPT.replace('4096', '4097') }],
    [{ scram: KEPT.replace('W22Z', 'X22Z') }],
    [{ scram: KEPT.replace('WG5d', 'XG5d') }],
  ])('%j does not', async (secret) => {
    const machine = begun();
    expect(await credentialsOf(machine).verify(secret)).toBe(false);
    expect(machine.isProven).toBe(false);
    expect(machine.conclude(true)).toBeUndefined();
  });

  test('without a kept salt each user has one that does not change, and no two have the same', () => {
    const challenges = ['user', 'user', 'other'].map((user) => {
      const machine = new ScramSha256(surroundings());
      machine.start(Buffer.from(`n,,n=${user},r=x`));
      return inWords(machine.salted(undefined));
    });
    expect(challenges[0]).toMatch(/^challenge r=xnonce,s=[A-Za-z0-9+/]{22}==,i=4096$/);
    expect(challenges[1]).toBe(challenges[0]);
    expect(challenges[2]).not.toBe(challenges[0]);
  });

  test.each([
    ['another nonce', FINAL.replace(SERVER_NONCE, 'x')],
    ['another gs2-header', FINAL.replace('biws', 'eSws')],
    ['no proof', FINAL.replace(/,p=.*/, '')],
    ['a short proof', `c=biws,r=${CLIENT_NONCE}${SERVER_NONCE},p=AAAA`],
    ['nothing', ''],
  ])('a final message with %s is refused', (_, final) => {
    expect(inWords(begun().next(Buffer.from(final)))).toBe('535 Authentication invalid');
  });
});

describe('the first message of the client (RFC 5802 section 7)', () => {
  test.each([
    ['n,,n=user,r=abc', 'user'],
    ['y,,n=user,r=abc', 'user'],
    ['n,a=user,n=user,r=abc', 'user'],
    ['n,a=u=2Cs,n=u=2Cs,r=abc', 'u,s'],
    ['n,,n=a=3Db,r=abc,x=ext', 'a=b'],
  ])('%s is of %s', (text, user) => expect(parseClientFirst(text)?.user).toBe(user));

  test.each([
    'p=tls-unique,,n=user,r=abc',
    'n,a=other,n=user,r=abc',
    'n,,m=x,n=user,r=abc',
    'n,,n=us=er,r=abc',
    'n,,n=,r=abc',
    'n,,n=user,r=',
    'n,,n=user,r=a b',
    `n,,n=user,r=${'x'.repeat(257)}`,
    `n,,n=${'u'.repeat(256)},r=abc`,
    'n,,n=us\ner,r=abc',
    'n,n=user,r=abc',
    '',
  ])('%j is refused', (text) => expect(parseClientFirst(text)).toBeUndefined());
});

test('a megabyte of commas is parsed at once', () => {
  const started = cpuMs();
  expect(parseClientFirst(`n,,n=u,r=x${',a='.repeat(300_000)},`) === undefined).toBe(true);
  expect(parseClientFinal(`c=biws,r=x${',a='.repeat(300_000)}`) === undefined).toBe(true);
  expect(cpuMs() - started).toBeLessThan(2_000);
});

describe('what a site keeps (RFC 5803)', () => {
  test.each(['4096:', '4095:AAAA', '1000001:AAAA', '4096:***', 'x:AAAA', '', ':AAAA'])(
    'the salt %j is refused',
    (text) => expect(parseSalt(text)).toBeUndefined(),
  );

  test.each(['secret', KEPT.replace('256', '1'), KEPT.slice(0, -4), KEPT.replace('$4096', '$1'), ''])(
    'keys %j are refused, and not quoted',
    (text) => {
      expect(() => parseKeptKeys(text)).toThrow(/^not SCRAM-SHA-256\$COUNT/);
    },
  );
});
