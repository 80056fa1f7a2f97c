import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Address } from '../../bindings/plugin/address.ts';
import { maildirOf } from '../../host/delivery/maildir/layout.ts';

const path = (pattern: string, localPart: string, domain: string): string =>
  maildirOf({ directory: '/var/mail', subdirectory: pattern }, new Address(localPart, domain));

describe("the Maildir of a recipient's own", () => {
  it.each([
    ['%d/%l', 'User', 'Good.Example', '/var/mail/Good.Example/User'],
    ['%u', 'user', 'good.example', '/var/mail/user@good.example'],
    ['%d/%l/.folder', 'user', 'x', '/var/mail/x/user/.folder'],
    ['%l%l', 'a', 'x', '/var/mail/aa'],
    ['%d/%l', "o'brien!", 'x', '/var/mail/x/o_brien_'],
    ['%l', 'a%d', 'x', '/var/mail/a_d'],
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
    ['../%l', 'a', 'x', /leads out of/],
  ])('after %s for %j@%s is refused', (pattern, localPart, domain, problem) => {
    expect(() => path(pattern, localPart, domain)).toThrow(problem);
    expect(() => path(pattern, localPart, domain)).toThrow(expect.objectContaining({ code: 'Q_DELIVERY' }));
  });

  it.each([
    [{ isLowerCase: true }, 'User+Lists', 'X.Example', '/var/mail/x.example/user+lists'],
    [{ separator: '+' }, 'User+Lists', 'X.Example', '/var/mail/X.Example/User'],
    [{ separator: '+', isLowerCase: true }, 'User+a+b', 'X', '/var/mail/x/user'],
    [{ separator: '+' }, '+lists', 'x', '/var/mail/x/+lists'],
    [{ separator: '-' }, 'user+lists', 'x', '/var/mail/x/user+lists'],
  ])('with %j for %s@%s is %s', (more, localPart, domain, expected) => {
    const layout = { directory: '/var/mail', subdirectory: '%d/%l', ...more };
    expect(maildirOf(layout, new Address(localPart, domain))).toBe(expected);
  });

  it.each(['..+x', '.+x', 'a/b+x', '../etc+x'])(
    'is refused for %s before the separator, too',
    (localPart) => {
      const layout = { directory: '/var/mail', subdirectory: '%l', separator: '+' };
      expect(() => maildirOf(layout, new Address(localPart, 'x'))).toThrow('no Maildir for');
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
