import { describe, expect, test } from 'vitest';
import { randomNumbers } from '../../host/testing/index.ts';
import { HostNameScan } from '../../bindings/wire/index.ts';
import { HostCollection, type CollectionOptions } from '../../plugins/uribl/host-collection.ts';
import { urlHosts } from '../../plugins/uribl/url-host.ts';

function collect(text: string, options: Partial<CollectionOptions> = {}): HostCollection {
  const hosts = new HostCollection({
    maxNames: 100,
    wantsAddresses: true,
    isLeftOut: () => false,
    random: () => 0,
    ...options,
  });
  const scan = new HostNameScan((name, place) => hosts.add(name, place));
  scan.write(Buffer.from(text));
  scan.end();
  while (!hosts.settle(10));
  return hosts;
}

const names = (text: string, options?: Partial<CollectionOptions>): readonly string[] =>
  collect(text, options).names();

describe('names in text', () => {
  test.each<[text: string, ...names: string[]]>([
    ['see http://example.com/', 'example.com'],
    ['HTTP://WWW.Example.COM:80/', 'example.com', 'www.example.com'],
    ['write to john.smith@mail.example.com.', 'example.com', 'mail.example.com'],
    ['http://good.net@evil.com/ http://good.net:x@evil.com', 'evil.com', 'good.net'],
    ['//a.b.c.example.co.uk', 'example.co.uk', 'a.b.c.example.co.uk', 'b.c.example.co.uk', 'c.example.co.uk'],
    ['http://evil.github.io/', 'github.io', 'evil.github.io'],
    ['index.html std.cout 1.2.3 v1.0 com co.uk localhost http://intranet/ a.invalid'],
    ['http://ev%69l%2ecom/ http%3A%2F%2Fother.net%2F', 'evil.com', 'other.net'],
    ['http://a.com/?u=http%253A%252F%252Fb.com%252F', 'a.com', 'b.com'],
    ['http://bücher.com/ http://www.xn--bcher-kva.com', 'xn--bcher-kva.com', 'www.xn--bcher-kva.com'],
    ['http://ＥＶＩＬ。com/ http://ev\u00adil.net', 'evil.com', 'evil.net'],
    ['请www.example.com谢谢', 'example.com', 'www.example.com'],
    ['http://例え.jp/ http://a.com谢谢', 'xn--r8jz45g.jp', 'a.com'],
    ['www.bücher.com', 'xn--bcher-kva.com', 'www.xn--bcher-kva.com'],
    [`${'请'.repeat(300)}www.example.com${'谢'.repeat(400)}`, 'example.com', 'www.example.com'],
    ['http://2130706433/ http://0x7f.1 http://0177.0.0.1/ http://[::ffff:127.0.0.1]/', '127.0.0.1'],
    ['http://[2001:DB8:0::1]/ http://[2001:db8::1]:80', '2001:db8::1'],
    ['192.0.2.1 http://256.1.1.1/ http://4294967296/ http://08.1/ http://1.2.3.4.5/ http://[::x]'],
    ['http://4294967295 http://1.2.772', '255.255.255.255', '1.2.3.4'],
    ['_http://example.com_ -www.example.net-', 'example.com', 'example.net', 'www.example.net'],
    [`http://${'a'.repeat(64)}.com http://${'a.'.repeat(130)}com`],
  ])('%s', (text, ...wanted) => {
    expect([...names(text)].sort()).toEqual([...wanted].sort());
  });

  test('each once, domains and addresses in front, in the order of the text', () => {
    const text = 'http://b.a.com http://192.0.2.1 http://d.com http://c.a.com http://A.com http://192.0.2.1';
    expect(names(text)).toEqual(['a.com', 'd.com', '192.0.2.1', 'b.a.com', 'c.a.com']);
  });

  test('addresses only if they are wanted', () => {
    expect(names('http://192.0.2.1 a.com', { wantsAddresses: false })).toEqual(['a.com']);
  });

  test('domains that are left out, and what is below them', () => {
    const isLeftOut = (domain: string): boolean => domain === 'a.com' || domain === 'www.b.com';
    const text =
      'http://a.com http://x.a.com http://b.com http://www.b.com http://x.www.b.com http://x.b.com';
    expect(names(text, { isLeftOut })).toEqual(['b.com', 'x.b.com']);
  });
});

describe('bounds', () => {
  const many = (count: number, host: (index: number) => string): string =>
    Array.from({ length: count }, (_, index) => `http://${host(index)}/ `).join('');

  test('no more domains than are asked about, wherever in the text they stand', () => {
    const text = `${many(499, (index) => `a${index}.com`)}http://evil.com/`;
    const chosen = [0, 0.999_999].map((number) => names(text, { random: () => number }));
    expect(chosen.map((each) => new Set(each).size)).toEqual([100, 100]);
    expect(chosen.map((each) => each.includes('a0.com'))).toEqual([true, false]);
    expect(chosen.map((each) => each.includes('evil.com'))).toEqual([false, true]);
    const hosts = collect(text);
    expect(hosts.found).toBe(500);
    expect(hosts.exceeded).toBeUndefined();
  });

  test('each name has the same chance', () => {
    const random = randomNumbers(1);
    const text = many(200, (index) => `a${index}.com`);
    const times = new Map<string, number>();
    for (let run = 0; run < 100; run++)
      for (const name of names(text, { maxNames: 50, random })) times.set(name, (times.get(name) ?? 0) + 1);
    const counts = [...times.values()];
    expect(counts).toHaveLength(200);
    // 25 on average; the numbers are the same in every run.
    expect(Math.min(...counts)).toBeGreaterThan(10);
    expect(Math.max(...counts)).toBeLessThan(40);
  });

  test('many domains leave room for names below them', () => {
    const text = `${many(500, (index) => `a${index}.com`)}http://evil.github.io/`;
    expect(names(text)).toHaveLength(100);
    expect(names(text)).toContain('evil.github.io');
    const below = many(500, (index) => `www.a${index}.com`);
    expect(names(below).filter((name) => name.startsWith('www.'))).toHaveLength(25);
  });

  test('names below one domain leave room for names below another', () => {
    const text = `${many(5_000, (index) => `a${index}.a.com`)}http://evil.github.io/`;
    expect(names(text)).toHaveLength(100);
    expect(names(text)).toContain('evil.github.io');
  });

  test('as many as that are no fault', () => {
    const hosts = collect(many(100, (index) => `a${index}.com`));
    expect(hosts.names()).toHaveLength(100);
    expect(hosts.isFull).toBe(false);
  });

  test('names below one domain leave room for other domains', () => {
    const hosts = collect(`${many(5_000, (index) => `a${index}.a.com`)}http://b.com`);
    expect(hosts.names()).toHaveLength(100);
    expect(hosts.names().slice(0, 3)).toEqual(['a.com', 'b.com', 'a0.a.com']);
    expect(hosts.isFull).toBe(false);
  });

  test('spellings that are looked at', () => {
    const hosts = collect(many(30_000, (index) => `a${index}.a.com`));
    expect(hosts.exceeded).toBe('20000 spellings of host names');
    expect(hosts.names()[0]).toBe('a.com');
  });

  test('escapes of escapes end', () => {
    let text = 'http://b.com/';
    for (let times = 0; times < 10; times++) text = encodeURIComponent(text);
    expect(names(`http://a.com/?u=${text}`)).toEqual(['a.com']);
    expect(names(`//${'%25'.repeat(300)}2e.com`)).toEqual([]);
  });
});

test('what stands between brackets is an address or nothing', () => {
  expect(urlHosts('::1', 'literal', () => true)).toEqual([{ kind: 'address', address: '::1' }]);
  expect(urlHosts('1:2', 'literal', () => true)).toEqual([]);
});
