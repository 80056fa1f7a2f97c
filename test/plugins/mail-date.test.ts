import { expect, test } from 'vitest';
import { strftime } from '../../bindings/plugin/index.ts';
import { parseMailDate } from '../../bindings/wire/mail-date.ts';

test.each([
  ['Sun, 22 Nov 2026 13:00:00 +0000', '2026-11-22T13:00:00Z'],
  ['Sun, 22 Nov 2026 13:00:00 +0130', '2026-11-22T11:30:00Z'],
  ['22 Nov 2026 13:00 -0800', '2026-11-22T21:00:00Z'],
  ['Thu, 13 Feb 69 23:32 -0330', '1969-02-14T03:02:00Z'],
  ['Mon, 24 Nov 97 14:22:01 PST', '1997-11-24T22:22:01Z'],
  ['Thu, 29 Feb 2024 00:00:00 GMT', '2024-02-29T00:00:00Z'],
  ['Fri, 21 Nov 1997 09(comment):   55  :  06 -0600', '1997-11-21T15:55:06Z'],
  ['Tue, 1 Jul 2003 10:52:37 +0200 (CEST)', '2003-07-01T08:52:37Z'],
  ['Sun Nov 22 13:00:00 2026', '2026-11-22T13:00:00Z'],
  ['Sun Nov  2 03:04:05 UTC 2026', '2026-11-02T03:04:05Z'],
])('a date of RFC 5322 section 3.3 or 4.3, or as ctime prints it: %s', (text, iso) => {
  expect(parseMailDate(text)).toBe(Date.parse(iso));
});

test.each([
  '',
  'yesterday',
  'Sun, 32 Nov 2026 13:00:00 +0000',
  '22 Foo 2026 13:00:00',
  '22 Nov 2026 25:00:00',
  '('.repeat(100_000),
])('no date: %.40s', (text) => expect(parseMailDate(text)).toBeUndefined());

test('every day of 400 years is where the calendar has it', () => {
  for (let day = -146_097; day < 146_097; day += 97) {
    const date = new Date(day * 86_400_000);
    const [, dd, mon, yyyy] = date.toUTCString().split(' ');
    expect(parseMailDate(`${dd} ${mon} ${yyyy} 00:00:00 +0000`)).toBe(date.getTime());
  }
});

test('strftime fills in the date and leaves unknown conversions alone', () => {
  const time = {
    year: 2026,
    month: 1,
    day: 5,
    hour: 0,
    minute: 7,
    second: 9,
    weekday: 1,
    dayOfYear: 5,
    zoneMinutes: -210,
    epochSeconds: 1_767_569_829,
  };
  expect(strftime('mail/%Y%m%d', time)).toBe('mail/20260105');
  expect(strftime('%a %b %e %T %Y %z %j %I%p %U %W %u', time)).toBe(
    'Mon Jan  5 00:07:09 2026 -0330 005 12AM 01 01 1',
  );
  expect(strftime('%%Y %Q %', time)).toBe('%Y %Q %');
  expect(strftime('%F %R %y %s', time)).toBe('2026-01-05 00:07 26 1767569829');
});
