import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fakeResolver, type FakeDnsZones } from '../../host/testing/index.ts';
import { queryLabels, RemoteList } from '../../plugins/dns-lists/remote-list.ts';

const listWith = (zones: FakeDnsZones): RemoteList => new RemoteList('bl.test', { dns: fakeResolver(zones) });

describe('what is asked', () => {
  test.each([
    // RFC 5782 sections 2.1, 2.4 and 3.
    ['192.0.2.99', '99.2.0.192'],
    ['2001:db8:1:2:3:4:567:89ab', 'b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2'],
    ['::ffff:192.0.2.99', '99.2.0.192'],
    ['example.com', 'example.com'],
  ])('for %s: %s', (subject, labels) => expect(queryLabels(subject)).toBe(labels));

  test('the digits of an IPv6 address, read backwards, are the address', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const labels = queryLabels(address);
        const labelsOfMapped = /^\d{1,3}(?:\.\d{1,3}){3}$/.test(labels);
        if (labelsOfMapped) return;
        const digits = labels.split('.');
        expect(digits).toHaveLength(32);
        const groups = digits.reverse().join('').match(/.{4}/g)!;
        expect(queryLabels(groups.join(':'))).toBe(labels);
        expect(new URL(`http://[${groups.join(':')}]/`).hostname).toBe(
          new URL(`http://[${address}]/`).hostname,
        );
      }),
    );
  });
});

describe('three answers', () => {
  test('listed, with the codes, and the text for the asking', async () => {
    const dns = fakeResolver({ '3.2.0.192.bl.test': { A: ['127.0.0.2', '127.0.0.10'], TXT: ['why'] } });
    const answer = await new RemoteList('bl.test', { dns }).ask('192.0.2.3');
    expect(answer).toMatchObject({ state: 'listed', codes: ['127.0.0.2', '127.0.0.10'] });
    expect(dns.questions).toEqual(['A 3.2.0.192.bl.test']);
    if (answer.state !== 'listed') throw new Error('unreachable');
    expect(await Promise.all([answer.text(), answer.text()])).toEqual(['why', 'why']);
    expect(dns.questions).toEqual(['A 3.2.0.192.bl.test', 'TXT 3.2.0.192.bl.test']);
  });

  test('not listed: no such name, and a name without an address', async () => {
    const list = listWith({ '3.2.0.192.bl.test': { TXT: ['why'] } });
    expect(await list.ask('192.0.2.3')).toEqual({ state: 'not listed' });
    expect(await list.ask('192.0.2.4')).toEqual({ state: 'not listed' });
  });

  test.each([
    [['127.0.0.1'], 'it does not answer'],
    [['127.0.1.255'], 'no addresses'],
    [['127.255.255.252'], 'misspelt'],
    [['127.255.255.254'], 'public resolver'],
    [['127.255.255.255'], 'too often'],
    [['127.255.255.7'], 'it does not answer'],
    [['203.0.113.80'], 'no code of a list'],
    [['127.0.0.2', '203.0.113.80'], 'no code of a list'],
    [['127.0.0.2', '127.255.255.254'], 'public resolver'],
    [['127.0.0.2', '127.0.0.1'], 'it does not answer'],
  ])('failed: %j', async (codes, reason) => {
    const answer = await listWith({ '3.2.0.192.bl.test': { A: codes } }).ask('192.0.2.3');
    expect(answer).toEqual({ state: 'failed', reason: expect.stringContaining(reason) as string });
  });

  test('failed: the DNS', async () => {
    const list = listWith({ '3.2.0.192.bl.test': 'SERVFAIL' });
    expect(await list.ask('192.0.2.3')).toEqual({ state: 'failed', reason: 'SERVFAIL' });
  });

  test('known without a question, where the DNS has kept what it said', async () => {
    const dns = fakeResolver({
      '2.2.0.192.bl.test': { A: ['127.0.0.2'] },
      '3.2.0.192.bl.test': { A: ['127.0.0.2'], isKept: true },
      '4.2.0.192.bl.test': { TXT: ['why'], isKept: true },
      '5.2.0.192.bl.test': { A: ['203.0.113.80'], isKept: true },
      '6.2.0.192.bl.test': { A: 'SERVFAIL', isKept: true },
    });
    const list = new RemoteList('bl.test', { dns });
    expect(list.askNow('192.0.2.2')).toBeUndefined();
    expect(list.askNow('192.0.2.3')).toMatchObject({ state: 'listed', codes: ['127.0.0.2'] });
    expect(list.askNow('192.0.2.4')).toEqual({ state: 'not listed' });
    expect(list.askNow('192.0.2.5')).toMatchObject({ state: 'failed' });
    expect(list.askNow('192.0.2.6')).toEqual({ state: 'failed', reason: 'SERVFAIL' });
    expect(dns.questions).toEqual([]);
    // An entry that may be a text alone has to be asked for.
    expect(new RemoteList('bl.test', { dns, takesTextAlone: true }).askNow('192.0.2.4')).toBeUndefined();
    const six = new RemoteList('bl.test', { dns, families: [6] });
    expect(six.askNow('192.0.2.3')).toEqual({ state: 'not listed' });
  });

  test.each([true, false])('the same, whether or not the DNS can do without promises: %s', async (canDo) => {
    const fake = fakeResolver({
      '3.2.0.192.bl.test': { A: ['127.0.0.2'] },
      '4.2.0.192.bl.test': { TXT: ['why'] },
      '5.2.0.192.bl.test': 'SERVFAIL',
    });
    const { resolve4, txt } = fake;
    const list = new RemoteList('bl.test', { dns: canDo ? fake : { resolve4, txt }, takesTextAlone: true });
    const subjects = ['192.0.2.3', '192.0.2.4', '192.0.2.5', '192.0.2.6'];
    const answers = await Promise.all(subjects.map((subject) => list.ask(subject)));
    expect(answers.map(({ state }) => state)).toEqual(['listed', 'listed', 'failed', 'not listed']);
  });

  test('a domain that leaves no room for the zone is on no list, and is not asked for', async () => {
    const dns = fakeResolver();
    const long = `${`${'a'.repeat(60)}.`.repeat(4)}example`;
    expect(await new RemoteList('bl.test', { dns }).ask(long)).toEqual({ state: 'not listed' });
    expect(dns.questions).toEqual([]);
  });
});
