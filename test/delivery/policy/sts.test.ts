/** MTA-STS (RFC 8461): records, policies, how they are fetched and how long they hold. */

import { afterEach, describe, expect, test, vi } from 'vitest';
import { fetchStsPolicy, StsPolicies } from '../../../plugins/queue/mx/sts-policies.ts';
import { announcedId, isInPolicy, parseStsPolicy } from '../../../plugins/queue/mx/sts-policy.ts';
import { fakeResolver } from '../../../host/testing/fake-resolver.ts';
import { keptLog } from '../mail-object.ts';
import { issue } from './certificates.ts';
import { PolicyServer, policyText } from './policy-server.ts';
import { PATIENCE } from '../../patience.ts';

describe('the record', () => {
  test.each<[string, readonly string[], string | undefined]>([
    ['one', ['v=STSv1; id=20260101;'], '20260101'],
    ['without the last semicolon', ['v=STSv1;id=a1'], 'a1'],
    ['beside other texts', ['v=spf1 -all', 'v=STSv1; id=7; x=y'], '7'],
    ['none', [], undefined],
    ['of another version', ['v=STSv2; id=7;'], undefined],
    ['two of them', ['v=STSv1; id=7;', 'v=STSv1; id=8;'], undefined],
    ['with no id', ['v=STSv1;'], undefined],
    ['with two ids, the first counts', ['v=STSv1; id=7; id=8;'], '7'],
    ['with an id behind other fields', ['v=STSv1; x.y=1:2; id=7'], '7'],
    ['with an id in capitals, which is another field', ['v=STSv1; ID=7;'], undefined],
    ['with what is no field', ['v=STSv1; id=7; whatever'], undefined],
    ['with an empty field', ['v=STSv1; id=7;; x=y'], undefined],
    ['with a blank in a value', ['v=STSv1; id=7; x=y z'], undefined],
    ['with a bad id in front of a good one', ['v=STSv1; id=a-b; id=7;'], undefined],
    ['with an id that is too long', [`v=STSv1; id=${'1'.repeat(33)};`], undefined],
    ['with an id of odd characters', ['v=STSv1; id=a-b;'], undefined],
  ])('%s', (_, texts, id) => {
    expect(announcedId(texts)).toBe(id);
  });
});

describe('the policy', () => {
  test('and the record may hold as many blanks as they like', () => {
    // With a pattern for the blanks at the end this takes minutes.
    const blanks = ' \t'.repeat(200_000);
    expect(announcedId([`v=STSv1${blanks};${blanks}id=7${blanks}`])).toBe('7');
    expect(announcedId([`v=STSv1;id=7${blanks}x`])).toBeUndefined();
    const text = policyText('enforce').replace('mode:', `key: x${blanks}y\r\nmode:${blanks}`);
    expect(parseStsPolicy(text)?.mode).toBe('enforce');
  });

  test.each(['\r', '\u2028'])('with %j inside a line is none', (separator) => {
    expect(parseStsPolicy(`${policyText('enforce')}key: a${separator}b\n`)).toBeUndefined();
  });

  test('is read with either line end, other keys passed over', () => {
    const text =
      'version: STSv1\nmode: enforce\r\nmx: MX.a.example\nmx: *.b.example\nfuture.key: x\nmax_age: 604800\n';
    const mx = ['mx.a.example', '*.b.example'];
    expect(parseStsPolicy(text)).toEqual({ mode: 'enforce', maxAgeSeconds: 604_800, mx });
    expect(parseStsPolicy(policyText('none', []))?.mode).toBe('none');
  });

  test.each([
    ['of another version', policyText('enforce').replace('STSv1', 'STSv2')],
    ['without a version', policyText('enforce').replace('version: STSv1\r\n', '')],
    ['of an unknown mode', policyText('force')],
    ['without hosts', policyText('enforce', [])],
    ['with an address as host', policyText('enforce', ['[192.0.2.1]'])],
    ['with a star in the middle', policyText('enforce', ['mx.*.example'])],
    ['with an age of more digits than the grammar has', policyText('enforce', ['mx.a.example'], 10 ** 10)],
    ['without an age', policyText('enforce').replace(/max_age: \d+/, 'max_age:')],
    ['with a line that is none', `${policyText('enforce')}<html>\r\n`],
    ['that is empty', ''],
  ])('%s is none', (_, text) => {
    expect(parseStsPolicy(text)).toBeUndefined();
  });

  test('holds for a year at most, whatever it says', () => {
    const ageOf = (seconds: number) =>
      parseStsPolicy(policyText('enforce', ['mx.a.example'], seconds))?.maxAgeSeconds;
    expect([0, 31_557_600, 31_557_601, 9_999_999_999].map(ageOf)).toEqual([
      0, 31_557_600, 31_557_600, 31_557_600,
    ]);
  });

  test('of a key that stands twice the first counts', () => {
    const text = `${policyText('enforce')}mode: none\r\nmax_age: 1\r\n`;
    expect(parseStsPolicy(text)).toEqual({ mode: 'enforce', maxAgeSeconds: 86_400, mx: ['mx.a.example'] });
  });

  test('a star stands for one label on the left', () => {
    const policy = parseStsPolicy(policyText('enforce', ['mx.a.example', '*.b.example']))!;
    const hosts = [
      'mx.a.example',
      'x.b.example',
      'b.example',
      'y.x.b.example',
      'a.example',
      'mx.a.example.org',
    ];
    expect(hosts.map((host) => isInPolicy(policy, host))).toEqual([true, true, false, false, false, false]);
  });
});

const authority = issue('authority', { isAuthority: true });
const own = issue('web', { by: authority, names: ['mta-sts.a.example'] });
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

async function givenServer(certificate = own): Promise<PolicyServer> {
  const server = await PolicyServer.start(certificate, authority);
  closers.push(() => server.close());
  return server;
}

describe('fetching', () => {
  test('asks the host the RFC names', async () => {
    const server = await givenServer();
    server.has(policyText('enforce'));
    expect(await fetchStsPolicy('a.example', server.options)).toBe(policyText('enforce'));
    expect(server.asked).toEqual(['mta-sts.a.example /.well-known/mta-sts.txt']);
  });

  test.each(['x/y.example', 'x@y.example', 'x?.example', 'a.example:99'])(
    'asks nobody for %s',
    async (domain) => {
      const server = await givenServer();
      server.has(policyText('enforce'));
      await expect(fetchStsPolicy(domain, server.options)).rejects.toThrow(
        /no name of a web server|Invalid URL/,
      );
      expect(server.asked).toEqual([]);
    },
  );

  test('takes a certificate with a star for the whole label', async () => {
    const server = await givenServer(issue('web', { by: authority, names: ['*.a.example'] }));
    server.has(policyText('enforce'));
    expect(await fetchStsPolicy('a.example', server.options)).toBe(policyText('enforce'));
  });

  test.each<[string, RegExp, PolicyServer['respond']]>([
    ['a missing policy', /answered 404/, (response) => response.writeHead(404).end()],
    [
      'a redirect',
      /answered 301/,
      (response) => response.writeHead(301, { location: 'https://a.example/' }).end(),
    ],
    [
      'a page',
      /no text\/plain/,
      (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('x'),
    ],
    ['a text of no type', /no text\/plain/, (response) => response.writeHead(200).end(policyText('enforce'))],
    [
      'more than 64 KiB',
      /more than 65536 octets/,
      (response) => response.writeHead(200, { 'content-type': 'text/plain' }).end('x'.repeat(70_000)),
    ],
    ['a connection that breaks', /hang up|aborted|ECONNRESET/, (response) => response.destroy()],
    [
      'a policy that never ends',
      /no answer within 300 ms/,
      (response) => response.writeHead(200, { 'content-type': 'text/plain' }).write('version: STSv1\n'),
    ],
    ['silence', /no answer within 300 ms/, () => undefined],
  ])('refuses %s', async (_, reason, respond) => {
    const server = await givenServer();
    server.respond = respond;
    await expect(fetchStsPolicy('a.example', { ...server.options, timeoutMs: 300 })).rejects.toThrow(reason);
  });

  test.each([
    ['for another name', issue('web', { by: authority, names: ['a.example'] }), /stands for no mta-sts/],
    [
      'with the name as common name only',
      issue('mta-sts.a.example', { by: authority }),
      /stands for no mta-sts/,
    ],
    [
      'with a star for part of a label',
      issue('web', { by: authority, names: ['mta-*.a.example'] }),
      /stands for no mta-sts/,
    ],
    [
      'that has expired',
      issue('web', { by: authority, names: ['mta-sts.a.example'], isExpired: true }),
      /expired/,
    ],
    ['nobody vouches for', issue('web', { names: ['mta-sts.a.example'] }), /self.signed|unable to verify/i],
  ])('refuses a certificate %s', async (_, certificate, reason) => {
    const server = await givenServer(certificate);
    server.has(policyText('enforce'));
    await expect(fetchStsPolicy('a.example', server.options)).rejects.toThrow(reason);
    expect(server.asked).toEqual([]);
  });
});

/** Policies over a DNS and a web that are lists; the store is a map. */
function given() {
  const dns = fakeResolver();
  const state = {
    /** Undefined: somebody hides the record. */
    set id(id: string | undefined) {
      dns.set('_mta-sts.a.example', id === undefined ? 'SERVFAIL' : { TXT: [`v=STSv1; id=${id};`] });
    },
    text: policyText('enforce') as string | Error,
    now: 0,
  };
  state.id = '1';
  const fetched: string[] = [];
  const faults: string[] = [];
  const entries = new Map<string, string>();
  const store = {
    get: (key: string) => Promise.resolve(entries.get(key)),
    set: (key: string, value: string) => Promise.resolve(void entries.set(key, value)),
    delete: (key: string) => Promise.resolve(entries.delete(key)),
  };
  const open = (own: typeof store | undefined = store) =>
    new StsPolicies({
      dns,
      fetch: (domain) => {
        fetched.push(domain);
        return state.text instanceof Error ? Promise.reject(state.text) : Promise.resolve(state.text);
      },
      store: own,
      now: () => state.now,
      log: keptLog(),
      onFault: (domain, result) => faults.push(`${domain} ${result}`),
    });
  return { state, fetched, faults, entries, store, open };
}

const DAY_MS = 86_400_000;

describe('how long a policy holds', () => {
  test('one id is fetched once, a new one again', async () => {
    const { state, fetched, open } = given();
    const policies = open();
    for (let index = 0; index < 3; index++)
      expect((await policies.policyFor('a.example'))?.mode).toBe('enforce');
    expect(fetched).toHaveLength(1);
    Object.assign(state, { id: '2', text: policyText('none', []) });
    expect((await policies.policyFor('a.example'))?.mode).toBe('none');
    expect(fetched).toHaveLength(2);
  });

  test('who hides the record, or the web server, does not lift it before its time', async () => {
    const { state, faults, open } = given();
    const policies = open();
    await policies.policyFor('a.example');
    Object.assign(state, { id: undefined, text: new Error('down') });
    state.now = DAY_MS - 1;
    expect((await policies.policyFor('a.example'))?.mode).toBe('enforce');
    state.id = '2';
    expect((await policies.policyFor('a.example'))?.mode).toBe('enforce');
    expect(faults).toEqual(['a.example sts-policy-fetch-error', 'a.example sts-policy-fetch-error']);
    state.now = DAY_MS;
    expect(await policies.policyFor('a.example')).toBeUndefined();
  });

  test('it outlives the process in the store, and no longer than it holds', async () => {
    const { state, fetched, open } = given();
    await open().policyFor('a.example');
    state.id = undefined;
    expect((await open().policyFor('a.example'))?.mode).toBe('enforce');
    expect(fetched).toHaveLength(1);
    state.now = DAY_MS + 1;
    expect(await open().policyFor('a.example')).toBeUndefined();
  });

  test('a store that is down or holds nonsense does not stop anything', async () => {
    const { store, entries, open } = given();
    const down = () => Promise.reject(new Error('down'));
    const broken = { get: down, set: down, delete: down };
    expect((await open(broken).policyFor('a.example'))?.mode).toBe('enforce');
    for (const text of ['', 'null', '{}', '{"id":1}', '{"id":"1","text":"x","fetchedAt":0}']) {
      entries.set('a.example', text);
      expect((await open(store).policyFor('a.example'))?.mode).toBe('enforce');
    }
  });

  test('a web server that is down is left alone for a while', async () => {
    const { state, fetched, faults, open } = given();
    state.text = new Error('down');
    const policies = open();
    for (let index = 0; index < 5; index++) expect(await policies.policyFor('a.example')).toBeUndefined();
    expect(fetched).toHaveLength(1);
    state.now = 300_001;
    Object.assign(state, { text: 'nonsense' });
    expect(await policies.policyFor('a.example')).toBeUndefined();
    expect(faults).toEqual(['a.example sts-policy-fetch-error', 'a.example sts-policy-invalid']);
  });

  test('it is fetched again at half its time, while mail goes on under the old one', async () => {
    const { state, fetched, open } = given();
    const policies = open();
    await policies.policyFor('a.example');
    state.now = DAY_MS / 2 + 1;
    expect((await policies.policyFor('a.example'))?.mode).toBe('enforce');
    expect(fetched).toHaveLength(2);
    state.id = undefined;
    state.now = DAY_MS + 1;
    expect((await policies.policyFor('a.example'))?.mode).toBe('enforce');
  });

  test('it is fetched again even if somebody hides the record', async () => {
    const { state, fetched, entries, open } = given();
    const policies = open();
    await policies.policyFor('a.example');
    state.id = undefined;
    state.now = DAY_MS / 2 + 1;
    expect((await policies.policyFor('a.example'))?.mode).toBe('enforce');
    expect(fetched).toHaveLength(2);
    await vi.waitFor(() => expect(entries.get('a.example')).toContain(`"fetchedAt":${state.now}`), PATIENCE);
    state.now = DAY_MS + 1;
    expect((await policies.policyFor('a.example'))?.mode).toBe('enforce');
  });

  test('one that has been given up is left to run out', async () => {
    const { state, fetched, open } = given();
    state.text = policyText('none', []);
    const policies = open();
    await policies.policyFor('a.example');
    state.id = undefined;
    state.now = DAY_MS / 2 + 1;
    expect((await policies.policyFor('a.example'))?.mode).toBe('none');
    expect(fetched).toHaveLength(1);
  });

  test('many who ask at once wait for one fetch', async () => {
    const { fetched, open } = given();
    const policies = open();
    const all = await Promise.all(Array.from({ length: 20 }, () => policies.policyFor('a.example')));
    expect(all.every((policy) => policy?.mode === 'enforce')).toBe(true);
    expect(fetched).toHaveLength(1);
  });
});
