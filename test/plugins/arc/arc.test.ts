import { expect, test } from 'vitest';
import { fakeResolver, testPlugin, TestClock, type FakeDnsName } from '../../../host/testing/index.ts';
import arc from '../../../plugins/arc/index.ts';
import { ED25519, hop, MESSAGE, NOW, RSA, sealedBy, SEALERS, ZONES, type HopOptions } from './chains.ts';
import { definePlugin } from '../../../bindings/plugin/index.ts';
import { verifyChain, type ArcResult } from '../../../plugins/mailauth/arc-chain.ts';

const resultOf = async (message: string, options?: HopOptions): Promise<string | undefined> =>
  (await hop(message, undefined, options)).results[0];

test('arc: a message without a chain', async () => {
  expect(await resultOf(MESSAGE)).toBe('arc=none smtp.remote-ip=192.0.2.3');
});

test('RFC 8617 section 5.1: each hop adds a set, and all of them verify', async () => {
  const message = await sealedBy([...SEALERS, 'rsa.example']);
  expect(await resultOf(message)).toBe('arc=pass (i=4 as.d=rsa.example) smtp.remote-ip=192.0.2.3');
  const names = [...message.matchAll(/^(ARC-[\w-]+|Authentication-Results):/gm)].map(([, name]) => name);
  expect(names.slice(0, 4)).toEqual([
    'ARC-Seal',
    'ARC-Message-Signature',
    'ARC-Authentication-Results',
    'Authentication-Results',
  ]);
  const seals = [...message.matchAll(/^ARC-Seal: i=(\d); a=([\w-]+); t=(\d+); cv=(\w+);/gm)];
  expect(seals.map(([, ...tags]) => tags.join(' '))).toEqual([
    '4 rsa-sha256 1795348800 pass',
    '3 ed25519-sha256 1795348800 pass',
    '2 ed25519-sha256 1795348800 pass',
    '1 ed25519-sha256 1795348800 none',
  ]);
});

test('RFC 8617 section 4.1.2: the signature covers the message, and neither results nor the chain', async () => {
  const message = await sealedBy(['one.example']);
  const [, listed = ''] = /ARC-Message-Signature:[^]*?h=([^;]*);/.exec(message) ?? [];
  const names = listed.replace(/\s/g, '').split(':');
  expect(names).toContain('from');
  expect(names.filter((name) => name.startsWith('arc-') || name === 'authentication-results')).toEqual([]);
});

test('lines of a set are folded, whatever the results hold', async () => {
  const found = Array.from({ length: 40 }, (_, at) => `dkim=pass header.d=domain-number-${at}.example`).join(
    '; ',
  );
  const { message } = await hop(MESSAGE, 'one.example', { found });
  const [head = ''] = message.split('\r\nAuthentication-Results:');
  expect(head.split('\r\n').filter((line) => line.length > 78)).toEqual([]);
  expect(await resultOf(message)).toContain('arc=pass');
});

const without = (message: string, pattern: RegExp): string => {
  const changed = message.replace(pattern, '');
  expect(changed).not.toBe(message);
  return changed;
};
const replaced = (message: string, from: string | RegExp, to: string): string => {
  const changed = message.replace(from, to);
  expect(changed).not.toBe(message);
  return changed;
};

/** Field by field, so that a table can say which. */
const field = (name: string, instance: number): RegExp =>
  new RegExp(`^${name}: i=${instance};[^]*?\\r\\n(?![ \\t])`, 'm');

test.each([
  ['the body was changed', (m: string) => replaced(m, 'Hello.', 'Hallo.'), 'body hash did not verify'],
  [
    'a signed field was changed',
    (m: string) => replaced(m, 'Subject: x', 'Subject: y'),
    'no valid signature',
  ],
  ['a signed field was added', (m: string) => `Subject: y\r\n${m}`, 'no valid signature'],
  [
    'results of the first hop were changed',
    (m: string) => replaced(m, 'i=1; mx.example', 'i=1; mx.forged'),
    'failing',
  ],
  [
    'a gap: set 2 is missing',
    (m: string) =>
      ['ARC-Seal', 'ARC-Message-Signature', 'ARC-Authentication-Results'].reduce(
        (left, name) => without(left, field(name, 2)),
        m,
      ),
    'i=3 expected=2',
  ],
  ['the seal of set 1 is missing', (m: string) => without(m, field('ARC-Seal', 1)), 'no arc-seal set'],
  [
    'the results of set 3 are missing',
    (m: string) => without(m, field('ARC-Authentication-Results', 3)),
    'no arc-authentication-results set',
  ],
  [
    'a field stands there twice',
    (m: string) => field('ARC-Seal', 2).exec(m)![0] + m,
    'i=2 multiple arc-seal values',
  ],
  ['cv=fail in the last seal', (m: string) => replaced(m, 'cv=pass', 'cv=fail'), 'cv=fail'],
  ['cv=none in the second', (m: string) => replaced(m, /(i=2;[^;]*;[^;]*; )cv=pass/, '$1cv=none'), 'cv=none'],
  ['an instance of 0', (m: string) => replaced(m, 'ARC-Seal: i=1;', 'ARC-Seal: i=0;'), 'instance'],
  ['an instance of 51', (m: string) => replaced(m, 'ARC-Seal: i=1;', 'ARC-Seal: i=51;'), 'instance'],
  [
    'two sets have changed places',
    (m: string) =>
      m
        .replace(/\bi=1;/g, 'i=9;')
        .replace(/\bi=2;/g, 'i=1;')
        .replace(/\bi=9;/g, 'i=2;'),
    'cv',
  ],
] as const)('RFC 8617 section 5.2, a chain fails: %s', async (_, change, reason) => {
  const message = change(await sealedBy(SEALERS));
  const result = await resultOf(message);
  expect(result).toMatch(/^arc=fail \(/);
  if (reason === 'body hash did not verify' || reason === 'failing') return;
  expect(result?.toLowerCase()).toContain(reason);
});

test('the order of the fields does not matter, and neither do fields that nobody signs', async () => {
  const message = await sealedBy(SEALERS);
  const seal = field('ARC-Seal', 1).exec(message)![0];
  expect(await resultOf(`${seal}X-Spam: no\r\n${message.replace(seal, '')}`)).toContain('arc=pass');
});

test('RFC 8617 section 5.2.1: all failures are for good, those of the DNS as well', async () => {
  const message = await sealedBy(SEALERS);
  for (const fault of ['SERVFAIL', 'NXDOMAIN'] as const) {
    const zones = { ...ZONES, 's._domainkey.two.example': fault } as unknown as Record<string, FakeDnsName>;
    expect(await resultOf(message, { zones })).toMatch(/^arc=fail \(.+\) /);
  }
});

test('RFC 8617 section 5.1.2: a chain that fails is marked once, and not sealed any more', async () => {
  const broken = replaced(await sealedBy(SEALERS), 'Hello.', 'Hallo.');
  const marked = await hop(broken, 'one.example');
  expect(marked.message).toMatch(/^ARC-Seal: i=4; [^]*? cv=fail;/);
  const again = await hop(marked.message, 'two.example');
  expect(again.results[0]).toMatch(/^arc=fail/);
  expect(again.message).not.toContain('i=5;');
  expect(again.tested.log.join('\n')).toContain('skip, the chain takes no further set');
});

test('RFC 8617 section 4.2.1: 50 sets pass, and there is no 51st', async () => {
  const message = await sealedBy(Array.from({ length: 50 }, (_, at) => SEALERS[at % 3]!));
  expect(await resultOf(message)).toContain('arc=pass (i=50 as.d=two.example)');
  const { message: unsealed, tested } = await hop(message, 'three.example');
  expect(unsealed).not.toContain('i=51;');
  expect(tested.log.join('\n')).toContain('skip, the chain takes no further set');
  const one = [...message.matchAll(/^ARC-[^]*?\r\n(?![ \t])/gm)].map(([text]) => text).slice(0, 3);
  const longer = one.join('').replaceAll('i=50;', 'i=51;') + message;
  expect(await resultOf(longer)).toMatch(/^arc=fail \(.*instance/);
});

test('mail of relay clients is neither checked nor sealed', async () => {
  const { message, results } = await hop(MESSAGE, 'one.example', { relay: true });
  expect(results).toEqual([]);
  expect(message).not.toContain('ARC-');
});

test('a key that was replaced counts from the next message on', async () => {
  const tested = testPlugin(arc, {
    options: 'seal one.example',
    config: { 'dkim/one.example/selector': 's', 'dkim/one.example/private': ED25519.private },
  });
  const seal = async (): Promise<string> => {
    tested.session.begin({ from: '<a@b.example>', message: MESSAGE });
    await tested.ask('data_post_headers');
    tested.session.transaction.message.header.prepend('Authentication-Results', 'mx.example; auth=none');
    await tested.ask('queue_pre');
    return /a=[\w-]+/.exec(tested.session.content)?.[0] ?? 'no seal';
  };
  expect(await seal()).toBe('a=ed25519-sha256');
  tested.config.write('dkim/one.example/private', RSA.private);
  expect(await seal()).toBe('a=rsa-sha256');
  tested.config.write('dkim/one.example/private', 'no key');
  expect(await seal()).toBe('no seal');
  expect(tested.log.join('\n')).toContain('error, not sealed, ');
});

test('what other plugins are told of a chain', async () => {
  const message = await sealedBy(SEALERS.slice(0, 2));
  let result: ArcResult | undefined;
  const asking = definePlugin({
    name: 'asking',
    about: 'Asks for the chain.',
    hooks: {
      async data_post_headers(context) {
        result = await verifyChain(context);
      },
    },
  });
  const { ask, session } = testPlugin(asking, { clock: new TestClock(NOW), resolver: fakeResolver(ZONES) });
  session.begin({ message });
  await ask('data_post_headers');
  expect(result?.sets.map(({ instance, domain, selector }) => [instance, domain, selector])).toEqual([
    [1, 'one.example', 's'],
    [2, 'two.example', 's'],
  ]);
  expect(result?.sets[0]?.results.trim()).toMatch(/^i=1; mx\.example; auth=none; arc=none .*dmarc=pass/);
});

test('seal wants a domain with a key, and a header to change', () => {
  expect(() => testPlugin(arc, { options: 'seal yes' })).toThrow('must be a domain that has a key');
  const config = { plugins: 'arc seal one.example\nqueue/cut-through 10.0.0.5' };
  expect(() => testPlugin(arc, { options: 'seal one.example', config })).toThrow('queue/cut-through');
  const local = testPlugin(arc, {
    options: 'seal one.example',
    config: { plugins: 'arc seal one.example\nqueue/maildir M' },
  });
  expect(local.log.join('\n')).toContain('seal has no use: queue/maildir passes no message on');
});
