/** Paths by RFC 5321 section 4.1.2, by qpsmtpd's grammar, and what the core accepts before either is asked. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Address } from '../../bindings/wire/address.ts';
import { CommandFlag, CommandWord } from '../../bindings/core/contract.ts';
import { ReferenceCore } from '../../bindings/core.ts';
import type { SettingValues } from '../../host/settings/settings.ts';
import { Command } from '../../host/session/command.ts';
import { isInternationalDomain, isPlainUnicode } from '../../bindings/wire/international-address.ts';
import { parsePath } from '../../bindings/wire/path.ts';
import { parseLenientPath } from '../../bindings/wire/lenient-path.ts';
import { PathInput, splitPathArgument, type PathArgument } from '../../host/session/path-input.ts';
import { cpuMs } from '../patience.ts';
import { amount } from '../amount.ts';

const core = new ReferenceCore();

/** What MAIL makes of an argument, by way of the core. */
function take(argument: string, addressGrammar: SettingValues['addressGrammar'] = 'strict') {
  const line = Buffer.from(`MAIL ${argument}\r\n`, 'utf8');
  core.commands(line, 0);
  const command = new Command();
  command.load(core, 0, line, 0);
  const input = new PathInput();
  const refusal = input.take('mail', command, { addressGrammar } as SettingValues);
  const isCanonical = (core.records[CommandWord.flags]! & CommandFlag.Canonical) !== 0;
  return { isCanonical, address: refusal === undefined ? input.address : undefined, input };
}

const ATEXT = [..."abcXYZ019!#$%&'*+-/=?^_`{|}~"];
const atom = fc.string({ unit: fc.constantFrom(...ATEXT), minLength: 1, maxLength: 30, size: 'max' });
const localPart = fc.array(atom, { minLength: 1, maxLength: 5, size: 'max' }).map((atoms) => atoms.join('.'));
const label = fc
  .string({ unit: fc.constantFrom(...'abcXYZ019-'), minLength: 1, maxLength: 70, size: 'max' })
  .filter((text) => !/^-|-$/.test(text));
const domain = fc.array(label, { minLength: 1, maxLength: 8, size: 'max' }).map((labels) => labels.join('.'));

describe('the plain form of the core and the parser', () => {
  test('agree on every address, those beyond the limits included', () => {
    const numRuns = amount(500, 2_000);
    let taken = 0;
    fc.assert(
      fc.property(localPart, domain, (local, host) => {
        const { address, isCanonical } = take(`FROM:<${local}@${host}>`);
        expect(address).toEqual(parsePath(`<${local}@${host}>`));
        if (address !== undefined) expect(isCanonical).toBe(true);
        taken += Number(address !== undefined);
      }),
      { numRuns, seed: 5321 },
    );
    expect(taken).toBeGreaterThan(numRuns / 4);
    expect(taken).toBeLessThan(numRuns);
  });

  test('what the core takes for plain is the same by the lenient grammar', () => {
    fc.assert(
      fc.property(localPart, domain, (local, host) => {
        const { address, isCanonical } = take(`FROM:<${local}@${host}>`, 'lenient');
        if (isCanonical) expect(address).toEqual(parseLenientPath(`<${local}@${host}>`));
      }),
      { numRuns: 500, seed: 5321 },
    );
  });

  test('limits count to the octet: 64, 63, 255 and 256 are taken, one more is not (RFC 5321 section 4.5.3.1)', () => {
    const name = (octets: number): string => 'abcdefghi.'.repeat(26).slice(0, octets - 1) + 'z';
    for (const prefix of ['', '@a.example:']) {
      expect(take(`FROM:<${prefix}${'l'.repeat(64)}@d>`).address).toBeDefined();
      expect(take(`FROM:<${prefix}${'l'.repeat(65)}@d>`).address).toBeUndefined();
      expect(take(`FROM:<${prefix}a@${'d'.repeat(63)}.e>`).address).toBeDefined();
      expect(take(`FROM:<${prefix}a@${'d'.repeat(64)}.e>`).address).toBeUndefined();
    }
    expect(take(`FROM:<a@${name(252)}>`).address).toBeDefined();
    expect(take(`FROM:<a@${name(253)}>`).address).toBeUndefined();
    expect(take(`FROM:<@a.example:a@${name(252)}>`).address).toBeUndefined();
    expect(parsePath(`<${'ü'.repeat(32)}@d>`)).toBeDefined();
    expect(parsePath(`<${'ü'.repeat(33)}@d>`)).toBeUndefined();
  });
});

describe('addresses', () => {
  test('print in a form that reads back as the same address', () => {
    const text = fc.string({ unit: fc.constantFrom(...ATEXT, '.', ' ', '@', '"', '\\', '<', '>', ',', 'ü') });
    fc.assert(
      fc.property(text, (local) => {
        fc.pre(Buffer.byteLength(local) <= 20);
        const address = new Address(local, 'd.example');
        expect(parsePath(address.toString())).toEqual(address);
      }),
      { numRuns: 1_000, seed: 5321 },
    );
  });

  test('never hold a control character, whatever the path was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), fc.nat(40), (noise, at) => {
        const path = '<"user"@some-host.example>';
        const changed = path.slice(0, at) + noise + path.slice(at);
        expect(parsePath(changed)?.toString() ?? '').not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      }),
      { numRuns: amount(1_000, 3_000), seed: 5321 },
    );
  });

  test('a source route is checked and dropped, in a time that does not explode', () => {
    expect(parsePath('<@a.example,@b.example:c@d.example>')).toEqual(new Address('c', 'd.example'));
    const before = cpuMs();
    expect(take(`FROM:<${'@a,'.repeat(600)}>`).address).toBeUndefined();
    expect(take(`FROM:<${'@a,'.repeat(600)}>`, 'lenient').address).toBeUndefined();
    expect(parseLenientPath(`<a@${'a'.repeat(2_000)}->`)).toBeUndefined();
    expect(parseLenientPath(`<a@${'a-'.repeat(1_000)}_->`)).toBeUndefined();
    expect(cpuMs() - before).toBeLessThan(2_000);
  });

  test('no character may turn into a special one by normalisation (RFC 6531 section 3.3)', () => {
    for (const local of ['grüße', '用户', 'δοκιμή', 'नमस्ते', 'a\u0308'])
      expect(isPlainUnicode(local), local).toBe(true);
    for (const local of ['a＠b', 'a．b', 'a＜b', 'a…b', 'a\u00a0b', 'a\u202eb', 'a\u0085b', 'a；b']) {
      expect(isPlainUnicode(local), JSON.stringify(local)).toBe(false);
    }
  });

  test('labels beyond ASCII have to be U-labels as they stand (RFC 5890 section 2.3.2.1)', () => {
    for (const name of ['bücher.example', 'Example.bücher', 'faß.example', '例え.テスト'])
      expect(isInternationalDomain(name), name).toBe(true);
    for (const name of [
      'bu\u0308cher.example',
      'b。ü',
      'ü．example',
      'BÜCHER.example',
      'ü..example',
      '-ü.example',
      'ü-.e',
      'ü/x',
    ])
      expect(isInternationalDomain(name), name).toBe(false);
    expect(isInternationalDomain(`${'ü'.repeat(60)}.example`)).toBe(false);
  });
});

describe('the argument', () => {
  const split = (argument: string, grammar: 'strict' | 'lenient' = 'strict') => {
    const found = splitPathArgument('mail', argument, grammar);
    return 'code' in found ? found.code : [found.path, ...found.parameters];
  };

  test('ends its path at the > outside quotes', () => {
    expect(split('FROM:<"a> b"@c> X=1 Y')).toEqual(['<"a> b"@c>', ['x', '1'], ['y', undefined]]);
    expect(split('FROM:<"a\\"> b"@c>\t X=1')).toEqual(['<"a\\"> b"@c>', ['x', '1']]);
    expect(split('FROM:<a> <b>')).toEqual(['<a> <b>']);
    expect(split('FROM:<a@b> <c@d>')).toBe(501);
    expect(split('FROM:<a>b')).toEqual(['<a>b']);
    expect(split('FROM:<"a>')).toEqual(['<"a>']);
  });

  test('is taken apart from the right by the rules of qpsmtpd', () => {
    expect(split('FROM:<a> <b> X=1', 'lenient')).toEqual(['<a> <b>', ['x', '1']]);
    expect(split('FROM:a@b  X=1  Y=2  ', 'lenient')).toEqual(['a@b', ['x', '1'], ['y', '2']]);
    expect(split('FROM:<a@b> c=d=e', 'lenient')).toBe(501);
  });

  test('remembers that a keyword occurred twice, and keeps the last', () => {
    const found = splitPathArgument('mail', 'FROM:<> X=1 x=2', 'strict') as PathArgument;
    expect(found.isRepeating).toBe(true);
    expect([...found.parameters]).toEqual([['x', '2']]);
    expect(take('FROM:<a@b> X=1 x=2').input.isRepeating).toBe(true);
    expect(take('FROM:<a@b> X=1 y=2').input.isRepeating).toBe(false);
  });

  test('full of blanks or at-signs takes no longer than its length', () => {
    const before = cpuMs();
    for (const grammar of ['strict', 'lenient'] as const) {
      for (const piece of [' ', '@', ' a', '"', '\\', '<', ' =', '\t\t='])
        split(`FROM:<a@b${piece.repeat(2_000 / piece.length)}=`, grammar);
    }
    expect(cpuMs() - before).toBeLessThan(2_000);
  });
});
