import { domainToASCII } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Address } from '../../bindings/wire/address.ts';
import { ambiguityOf, maildirsOf } from '../../plugins/queue/maildir/layout.ts';
import { amount } from '../amount.ts';

const path = (pattern: string, localPart: string, domain: string): string =>
  maildirsOf({ directory: '/var/mail', subdirectory: pattern }, new Address(localPart, domain)).usual;

describe("the Maildir of a recipient's own", () => {
  it.each([
    ['%d/%l', 'User', 'Good.Example', '/var/mail/good.example/User'],
    ['%u', 'user', 'good.example', '/var/mail/user@good.example'],
    ['%d/%l/.folder', 'user', 'x', '/var/mail/x/user/.folder'],
    ['%l%l', 'a', 'x', '/var/mail/aa'],
    ['%d/%l', "o'brien!", 'x', '/var/mail/x/o%27brien%21'],
    ['%l', 'a%d', 'x', '/var/mail/a%25d'],
    ['%l', 'a+b-c_d.e,f@g=h', 'x', '/var/mail/a+b-c_d.e,f@g=h'],
    ['%d/%l', 'müller', 'BÜCHER.example', '/var/mail/xn--bcher-kva.example/müller'],
    ['%d/%l', 'mu\u0308ller', 'xn--bcher-kva.example', '/var/mail/xn--bcher-kva.example/müller'],
    ['%l', '张伟', 'x', '/var/mail/张伟'],
    ['%l', 'नमस्ते', 'x', '/var/mail/नमस्ते'],
    ['%l', '💌', 'x', '/var/mail/%F0%9F%92%8C'],
    ['%d/%l', 'a', '[IPv6:2001:DB8::1]', '/var/mail/%5Bipv6%3A2001%3Adb8%3A%3A1%5D/a'],
    // What is longest of all still fits.
    ['%d/%l', '!'.repeat(64), 'x', `/var/mail/x/${'%21'.repeat(64)}`],
    ['%d/%l', 'postmaster', '', '/var/mail/postmaster'],
    ['%u', 'postmaster', '', '/var/mail/postmaster@'],
  ])('after %s for %s@%s is %s', (pattern, localPart, domain, expected) => {
    expect(path(pattern, localPart, domain)).toBe(expected);
  });

  it.each([
    ['%d/%l', '../../etc', 'x', /begins with a dot/],
    ['%d/%l', 'a/../../b', 'x', /contains \.\./],
    ['%d/%l', '..', 'x', /begins with a dot/],
    ['%d/%l', '.', 'x', /begins with a dot/],
    ['%d/%l', '.hidden', 'x', /begins with a dot/],
    ['%d/%l', 'a/b', 'x', /contains a slash/],
    ['%d/%l', 'a', '..', /begins with a dot/],
    ['%d/%l', 'a', 'x/../y', /contains \.\./],
    ['%d/%l', 'a\0b', 'x', /control character/],
    ['%d/%l', 'a\nb', 'x', /control character/],
    ['%d/%l', '', 'x', /local part is empty/],
    ['%d', 'postmaster', '', /nothing is left/],
    ['%l', 'a'.repeat(256), 'x', /more than 255 octets/],
    ['%u', 'a'.repeat(128), 'b'.repeat(127), /more than 255 octets/],
    ['%u', '!'.repeat(64), `${'d.'.repeat(40)}example`, /more than 255 octets/],
    ['%d/%l', 'a', '１２７.1', /no such domain/],
    ['%l', 'a\ud800', 'x', /is no text/],
    ['../%l', 'a', 'x', /leads out of/],
  ])('after %s for %j@%s is refused', (pattern, localPart, domain, problem) => {
    expect(() => path(pattern, localPart, domain)).toThrow(problem);
    expect(() => path(pattern, localPart, domain)).toThrow(expect.objectContaining({ code: 'Q_DELIVERY' }));
  });

  it.each([
    [{ isLowerCase: true }, 'User+Lists', 'X.Example', '/var/mail/x.example/user+lists'],
    [{ separator: '+' }, 'User+Lists', 'X.Example', '/var/mail/x.example/User'],
    [{ separator: '+', isLowerCase: true }, 'User+a+b', 'X', '/var/mail/x/user'],
    [{ separator: '+' }, '+lists', 'x', '/var/mail/x/+lists'],
    [{ separator: '-' }, 'user+lists', 'x', '/var/mail/x/user+lists'],
  ])('with %j for %s@%s is %s', (more, localPart, domain, expected) => {
    const layout = { directory: '/var/mail', subdirectory: '%d/%l', ...more };
    expect(maildirsOf(layout, new Address(localPart, domain)).usual).toBe(expected);
  });

  it.each(['..+x', '.+x', 'a/b+x', '../etc+x'])(
    'is refused for %s before the separator, too',
    (localPart) => {
      const layout = { directory: '/var/mail', subdirectory: '%l', separator: '+' };
      expect(() => maildirsOf(layout, new Address(localPart, 'x'))).toThrow('no Maildir for');
    },
  );

  it('never leaves the directory, whatever the recipient (RCPT TO:<../../etc@x>)', () => {
    const odd = fc.string({ unit: fc.constantFrom('.', '/', '\0', '\\', '~', '%', 'l', 'a', ' ', '\u00fc') });
    fc.assert(
      fc.property(
        odd,
        odd,
        fc.constantFrom('%l', '%d/%l', '%u', 'a%l', '%l%d'),
        (localPart, domain, pattern) => {
          let result: string;
          try {
            result = path(pattern, localPart, domain);
          } catch {
            return;
          }
          expect(result).toMatch(/^\/var\/mail(\/[^/\0]+)+$/);
          expect(result.split('/')).not.toContain('..');
          expect(result.split('/')).not.toContain('.');
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('two mailboxes', () => {
  const unit = fc.constantFrom(
    ...`aAbB01_'%!.+-=@ üÜößéжЖΣσς张李ﬁ²💌`,
    '\u0308',
    'e\u0301',
    '%5F',
    '%27',
    'xn--',
  );
  const local = fc.oneof(
    fc.string({ unit, minLength: 1, maxLength: 6 }),
    fc.constantFrom('a_b', "a'b", 'A_b', 'a%5Fb', '\u00e9', 'e\u0301', 'E\u0301', 'a+b', 'a'),
  );
  const host = fc.oneof(
    fc.constantFrom(
      'x',
      'X',
      'bär.example',
      'bör.example',
      'xn--br-via.example',
      'XN--BR-VIA.example',
      'b_r.example',
    ),
    fc.constantFrom(
      'ba\u0308r.example',
      'BÄR.example.',
      'faß.de',
      'fass.de',
      '[192.0.2.1]',
      '[IPv6:2001:DB8::1]',
    ),
    fc.string({ unit: fc.constantFrom(...'abA_-.üé'), minLength: 1, maxLength: 8 }),
  );
  const address = fc.record({ local, host });
  const layouts = fc.record({
    subdirectory: fc.constantFrom('%d/%l', '%u', '%l@%d', '%d/x-%l/mail', '%d=%l'),
    isLowerCase: fc.boolean(),
    separator: fc.constantFrom(undefined, '+', '-', '=', '_'),
  });

  /** Written down once more from the rules: who is the same. */
  function mailboxOf(
    { local, host }: { local: string; host: string },
    { isLowerCase, separator }: { isLowerCase: boolean; separator: string | undefined },
  ): string {
    const end = separator === undefined ? -1 : local.indexOf(separator);
    const user = (end > 0 ? local.slice(0, end) : local).normalize('NFC');
    const domain = host.startsWith('[') ? host.toLowerCase() : domainToASCII(host).replace(/\.$/, '');
    return JSON.stringify([isLowerCase ? user.toLowerCase().normalize('NFC') : user, domain]);
  }

  it('never have one path, and one mailbox never has two, however its address is spelled', () => {
    const numRuns = amount(2_000, 20_000);
    let compared = 0;
    let same = 0;
    fc.assert(
      fc.property(address, address, layouts, (one, other, layout) => {
        let paths;
        try {
          paths = [one, other].map(({ local, host }) =>
            maildirsOf({ directory: '/m', ...layout }, new Address(local, host)),
          );
        } catch {
          return;
        }
        const [a, b] = paths as [(typeof paths)[0], (typeof paths)[0]];
        const isSame = mailboxOf(one, layout) === mailboxOf(other, layout);
        compared++;
        same += Number(isSame);
        expect(a.usual === b.usual).toBe(isSame);
        expect(a.own === b.own).toBe(isSame);
        // An address that other addresses leave the usual folder to never finds it taken.
        if (!isSame) expect([b.own, b.usual, ...b.old]).not.toContain(a.own);
        if (isSame) expect(a.old).toEqual(b.old);
      }),
      { numRuns, seed: 6531 },
    );
    expect(compared).toBeGreaterThan(numRuns / 4);
    expect(same).toBeGreaterThan(numRuns / 400);
  });

  it('are the same in every spelling of the domain and in every form of the letters', () => {
    fc.assert(
      fc.property(
        local,
        layouts,
        fc.constantFrom('bär.example', 'faß.de', '例え.テスト'),
        (user, layout, domain) => {
          const spellings = [
            domain,
            domainToASCII(domain),
            domain.toUpperCase().replace('SS', 'ß'),
            `${domain}.`,
          ];
          const paths = spellings.flatMap((host) =>
            ['NFC', 'NFD'].map((form) => {
              try {
                const found = maildirsOf(
                  { directory: '/m', ...layout },
                  new Address(user.normalize(form), host),
                );
                return JSON.stringify(found);
              } catch (error) {
                return (error as Error).message.replace(/.*: /, '');
              }
            }),
          );
          expect(new Set(paths).size).toBe(1);
        },
      ),
      { numRuns: amount(400, 2_000), seed: 6531 },
    );
  });

  it.each([
    ['%l-%d', true],
    ['%d.%l', true],
    ['%l%d', true],
    ['x/%l_%d/y', true],
    ['%d/%l', false],
    ['%u', false],
    ['%l@%d', false],
    ['%d+%l', false],
    ['%l', false],
    ['%d/%l-%d', false],
  ])('are kept apart by the pattern %s: unless %s', (pattern, isAmbiguous) => {
    expect(ambiguityOf(pattern) !== undefined).toBe(isAmbiguous);
  });
});
