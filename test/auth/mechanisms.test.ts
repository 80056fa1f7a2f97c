import { describe, expect, test } from 'vitest';
import { Bearer, oauthBearer, xoauth2, CramMd5, Login, Plain } from '../../host/auth/mechanisms.ts';
import { inWords, play, surroundings } from './turns.ts';

const LONG = 'u'.repeat(255);
const INVALID = '535 Authentication invalid';

describe('PLAIN (RFC 4616)', () => {
  test('asks with an empty challenge if AUTH came without initial response', () => {
    expect(inWords(new Plain().start(undefined))).toBe('challenge');
  });

  test.each([
    ['\0tim\0tanstaaftanstaaf', 'credentials tim tanstaaftanstaaf'],
    ['tim\0tim\0x', 'credentials tim x'],
    ['\0tim\0', 'credentials tim'],
    ['\0tim\0 p:a ss ', 'credentials tim  p:a ss '],
    ['\0ümläut\0päss', 'credentials ümläut päss'],
    [`\0${LONG}\0x`, `credentials ${LONG} x`],
    ['Ursel\0Kurt\0xipj3plmq', '535 Authentication invalid for Kurt'],
    ['Ursel\0\0x', '535 Authentication invalid (Ursel)'],
    ['', INVALID],
    ['tim', INVALID],
    ['tim\0x', INVALID],
    ['\0\0x', INVALID],
    ['\0tim\0x\0', INVALID],
    ['\0tim\0x\0y', INVALID],
    [`\0${LONG}u\0x`, INVALID],
    ['\0ti\nm\0x', INVALID],
    ['\0ti\u0085m\0x', INVALID],
    [`${'a'.repeat(300)}\0\0x`, INVALID],
  ])('%j: %s', (message, turn) => expect(play(new Plain(), message)).toBe(turn));

  test('octets that are no UTF-8 are refused', () => {
    const turn = new Plain().start(Buffer.from('\0tim\0p\xe4ss', 'latin1'));
    expect(inWords(turn)).toBe(INVALID);
  });
});

describe('LOGIN', () => {
  test('asks for the user name, then for the password', () => {
    const login = new Login();
    expect(inWords(login.start(undefined))).toBe('challenge Username:');
    expect(inWords(login.next(Buffer.from('tim')))).toBe('challenge Password:');
    expect(inWords(login.next(Buffer.from('x y')))).toBe('credentials tim x y');
  });

  test.each([
    [['tim'], 'challenge Password:'],
    [['tim', 'x'], 'credentials tim x'],
    [['tim', ''], 'credentials tim'],
    [[''], INVALID],
    [['t\0m'], INVALID],
    [[`${LONG}u`], INVALID],
  ])('%j: %s', (messages, turn) => expect(play(new Login(), ...messages)).toBe(turn));
});

describe('CRAM-MD5 (RFC 2195)', () => {
  const DIGEST = 'b913a602c7eda7a495b4e6e7334d3890';

  test('the ticket is unique, names this host and is never asked for again', () => {
    const cram = new CramMd5(surroundings('4f1'));
    expect(inWords(cram.start(undefined))).toBe('challenge <4f1.6b02f572@mx.test>');
  });

  test('an initial response is refused: the server speaks first (RFC 4954 section 4)', () => {
    expect(play(new CramMd5(surroundings()), 'x')).toBe('501 This mechanism has no initial response');
  });

  test.each([
    [`tim ${DIGEST}`, `credentials tim ${DIGEST}`],
    [`tim ${DIGEST.toUpperCase()}`, `credentials tim ${DIGEST}`],
    [`t i m ${DIGEST}`, `credentials t i m ${DIGEST}`],
    ['nospace', '504 Invalid authentication string'],
    ['tim', '504 Invalid authentication string'],
    [` ${DIGEST}`, '504 Invalid authentication string'],
    [`tim ${DIGEST}0`, '504 Invalid authentication string'],
    [`tim ${DIGEST.slice(1)}g`, '504 Invalid authentication string'],
    [`t\nm ${DIGEST}`, '504 Invalid authentication string'],
    ['', '504 Invalid authentication string'],
  ])('%j: %s', (message, turn) => {
    const cram = new CramMd5(surroundings());
    cram.start(undefined);
    expect(inWords(cram.next(Buffer.from(message)))).toBe(turn);
  });
});

describe('OAUTHBEARER (RFC 7628)', () => {
  const A = '\u0001';
  test.each([
    [
      // Section 4.1.
      `n,a=user@example.com,${A}host=server.example.com${A}port=143${A}auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==${A}${A}`,
      'credentials user@example.com vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==',
    ],
    [`y,a=a=2Cb=3D,${A}auth=bearer x${A}${A}`, 'credentials a,b= x'],
    [`n,,${A}auth=Bearer x${A}${A}`, INVALID],
    [`p=tls-unique,a=u,${A}auth=Bearer x${A}${A}`, INVALID],
    [`n,a=u,${A}auth=Bearer${A}${A}`, INVALID],
    [`n,a=u,${A}auth=Basic dTpw${A}${A}`, INVALID],
    [`n,a=u,${A}auth=Bearer x y${A}${A}`, INVALID],
    [`n,a=u,${A}host=h${A}${A}`, INVALID],
    [`n,a=u,${A}auth=Bearer x`, INVALID],
    ['', INVALID],
  ])('%j: %s', (message, turn) => expect(play(new Bearer(oauthBearer), message)).toBe(turn));

  test('a refusal is told in JSON (section 3.2.2), a success is not', () => {
    const machine = new Bearer(oauthBearer);
    expect(machine.conclude(false)!.toString()).toBe('{"status":"invalid_token"}');
    expect(machine.conclude(true)).toBeUndefined();
  });
});

describe('XOAUTH2', () => {
  const A = '\u0001';
  test.each([
    [
      `user=someuser@example.com${A}auth=Bearer ya29.vF9dft4${A}${A}`,
      'credentials someuser@example.com ya29.vF9dft4',
    ],
    [`user=a=2Cb${A}auth=Bearer x${A}${A}`, 'credentials a=2Cb x'],
    [`user=${A}auth=Bearer x${A}${A}`, INVALID],
    [`auth=Bearer x${A}user=u${A}${A}`, INVALID],
    [`user=u${A}auth=Bearer ${A}${A}`, INVALID],
  ])('%j: %s', (message, turn) => expect(play(new Bearer(xoauth2), message)).toBe(turn));
});
