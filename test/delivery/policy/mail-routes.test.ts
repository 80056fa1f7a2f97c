/** Where mail goes, case by case: RFC 5321 section 5.1, RFC 7505. */

import { describe, expect, test } from 'vitest';
import type { Zone } from '../../dns/zone-server.ts';
import { a, FAILS, given, mx, PLAIN, routeOf } from './given-routes.ts';

describe('the hosts of a domain', () => {
  const TWO: Zone = {
    'MX a.example': mx('20 second.example', '10 first.example'),
    'A first.example': a('first.example', '11.0.0.1'),
    'A second.example': a('second.example', '11.0.0.2'),
  };
  const both = ['first.example 11.0.0.1 opportunistic', 'second.example 11.0.0.2 opportunistic'];
  test.each<[string, Zone, readonly string[]]>([
    ['by preference', TWO, both],
    [
      'without a list: the domain itself',
      { 'A a.example': a('a.example', '11.0.0.1') },
      ['a.example 11.0.0.1 opportunistic'],
    ],
    ['of a null MX', { 'MX a.example': mx('0 .') }, ['refused 556 5.1.10']],
    ['of a domain that is not there', {}, ['refused 550 5.1.2']],
    ['of a domain without mail hosts', { 'TXT a.example': {} }, ['refused 550 5.4.4']],
    ['that are addresses', { 'MX a.example': mx('10 11.0.0.1') }, ['refused 550 5.4.4']],
    ['that have no address', { 'MX a.example': mx('10 mx.a.example') }, ['refused 550 5.4.4']],
    ['when the list cannot be had', { 'MX a.example': FAILS }, ['deferred 451 4.4.3']],
    [
      'when no address can be had',
      { ...PLAIN, 'A mx.a.example': FAILS, 'AAAA mx.a.example': FAILS },
      ['deferred 451 4.4.3'],
    ],
    [
      'when one of two cannot be had',
      { ...TWO, 'A first.example': FAILS, 'AAAA first.example': FAILS },
      both.slice(1),
    ],
    [
      'when one is not there and one cannot be had',
      { ...TWO, 'A first.example': { code: 3 }, 'A second.example': FAILS },
      ['deferred 451 4.4.3'],
    ],
    [
      'up to ourselves',
      { ...TWO, 'MX a.example': mx('10 first.example', '20 us.example', '20 second.example') },
      both.slice(0, 1),
    ],
    [
      'with ourselves in front',
      { ...TWO, 'MX a.example': mx('10 us.example', '20 second.example') },
      ['refused 554 5.4.6'],
    ],
    [
      'on this machine',
      { ...PLAIN, 'A mx.a.example': a('mx.a.example', '127.0.0.1', '0.0.0.0') },
      ['refused 550 5.4.4'],
    ],
    [
      'of both families by turns',
      {
        ...PLAIN,
        'A mx.a.example': a('mx.a.example', '11.0.0.1', '11.0.0.2'),
        'AAAA mx.a.example': { records: [['AAAA mx.a.example', '2a00:0:0:0:0:0:0:1']] },
      },
      ['2a00::1', '11.0.0.1', '11.0.0.2'].map((address) => `mx.a.example ${address} opportunistic`),
    ],
  ])('%s', async (_, zone, expected) => {
    expect(await routeOf(zone)).toEqual(expected);
  });

  test('are 20 with 40 addresses at most', async () => {
    const names = Array.from({ length: 30 }, (_, index) => `h${String(index).padStart(2, '0')}.example`);
    const addresses = ['11.0.0.1', '11.0.0.2', '11.0.0.3'];
    const hosts = names.map((name, index) => `${index} ${name}`);
    const zone: Zone = { 'MX a.example': mx(...hosts) };
    for (const name of names) zone[`A ${name}`] = a(name, ...addresses);
    const { routes, server } = await given(zone);
    const route = await routes.routeTo('a.example');
    expect(route.kind === 'hosts' && route.hosts.length).toBe(40);
    expect(server.asked.filter((question) => question.startsWith('A '))).toHaveLength(20);
  });

  test('of equal preference are tried in turn', async () => {
    const draws = [0.9, 0.1];
    const { routes } = await given(
      { ...TWO, 'MX a.example': mx('10 first.example', '10 second.example') },
      undefined,
      { random: () => draws.shift() ?? 0 },
    );
    const route = await routes.routeTo('a.example');
    expect(route.kind === 'hosts' && route.hosts.map(({ name }) => name)).toEqual([
      'second.example',
      'first.example',
    ]);
  });

  test.each<[string, readonly string[]]>([
    ['[11.0.0.1]', ['11.0.0.1 11.0.0.1 opportunistic']],
    ['[ipv6:2a00::1]', ['2a00::1 2a00::1 opportunistic']],
    ['[127.0.0.1]', ['refused 550 5.4.4']],
    ['[ipv6:::ffff:127.0.0.1]', ['refused 550 5.4.4']],
    ['[2a00::1]', ['refused 550 5.4.4']],
    ['127.0.0.1', ['refused 550 5.1.2']],
    ['a b', ['refused 550 5.1.2']],
  ])('for the domain %s', async (domain, expected) => {
    expect(await routeOf({}, undefined, undefined, domain)).toEqual(expected);
  });
});
