/** Reports to domains, from a message or a connection to the mail that leaves. RFC 9990, RFC 8460. */

import { gunzipSync } from 'node:zlib';
import { expect, test, vi } from 'vitest';
import {
  fakeResolver,
  MemoryStores,
  MemoryWeb,
  TestClock,
  testPlugin,
  type FakeDnsZones,
} from '../../../host/testing/index.ts';
import type { DeliveryReport, MailObject, Outlet, Store } from '../../../bindings/plugin/index.ts';
import dmarcReports from '../../../plugins/dmarc_reports.ts';
import tlsReports from '../../../plugins/tls_reports.ts';
import type { DmarcResult } from '../../../plugins/mailauth/sender-results.ts';
import { DailyJob } from '../../../plugins/reports/daily-job.ts';
import { DAY_MS, DayCounts, parseDay, readDomainDay } from '../../../plugins/reports/day-counts.ts';
import { agreedAddresses, mailAddressesOf } from '../../../plugins/reports/destinations.ts';
import { openDmarcCounts } from '../../../plugins/reports/dmarc-counts.ts';
import type { DmarcRow } from '../../../plugins/reports/dmarc-report.ts';
import { openTlsCounts } from '../../../plugins/reports/tls-counts.ts';

const DAY = parseDay('2026-11-29')!;

interface Sent {
  readonly to: string;
  readonly header: (name: string) => string | undefined;
  readonly text: string;
  readonly report: string;
}

function outletFor(sent: Sent[], kinds: ('delivered' | 'deferred' | 'refused')[] = []): Outlet {
  return {
    deliver({ recipients, message, reversePath }: MailObject): Promise<DeliveryReport> {
      expect(reversePath.toString()).toBe('<>');
      const text = Buffer.concat([...(message.blocks('crlf') as Iterable<Buffer>)]).toString('latin1');
      expect(text.length).toBe(message.octets);
      expect(text.split('\r\n').every((line) => line.length <= 998)).toBe(true);
      const kind = kinds.shift() ?? 'delivered';
      const [, encoded = ''] = /base64\r\nContent-Disposition:[^]*?\r\n\r\n([^]*?)\r\n--/.exec(text) ?? [];
      sent.push({
        to: recipients.map(({ address }) => address.toString()).join(),
        header: (name) => message.header.get(name),
        text,
        report: gunzipSync(Buffer.from(encoded, 'base64')).toString(),
      });
      const code = { delivered: 250, deferred: 451, refused: 550 }[kind];
      return Promise.resolve([{ kind, reply: { code, status: undefined, lines: ['so'] }, hop: undefined }]);
    },
  };
}

const RESULT: DmarcResult = {
  result: 'fail',
  published: {
    domain: 'a.example',
    p: 'reject',
    sp: 'none',
    np: undefined,
    adkim: 'r',
    aspf: 's',
    fo: '1',
    isTested: false,
    rua: ['mailto:reports@a.example!10m', 'mailto:elsewhere@other.test'],
  },
  policy: 'reject',
  disposition: 'none',
  overrides: [{ type: 'trusted_forwarder', comment: 'arc <b>&' }],
  isSpfAligned: false,
  isDkimAligned: true,
  sourceIp: '2001:DB8::0001',
  headerFrom: 'mail.a.example',
  mailboxes: 1,
  organization: undefined,
  envelopeFrom: '',
  envelopeTo: ['mx.example'],
  spf: { result: 'softfail', domain: 'helo.a.example', scope: 'helo' },
  signatures: [{ domain: 'a.example', selector: 's\u0001', result: 'pass', comment: undefined }],
  isReportable: true,
};

interface Options {
  readonly zones?: FakeDnsZones;
  readonly kinds?: ('delivered' | 'deferred' | 'refused')[];
  readonly options?: string;
  readonly web?: MemoryWeb;
}

function world({ zones = {}, kinds = [], options = '', web }: Options = {}) {
  const clock = new TestClock(DAY * DAY_MS + 1_000);
  const stores = new MemoryStores(clock);
  const sent: Sent[] = [];
  const opened: string[] = [];
  const resolver = fakeResolver(zones);
  const outlet = outletFor(sent, kinds);
  const make = (plugin: typeof dmarcReports | typeof tlsReports) =>
    testPlugin(plugin, {
      options,
      clock,
      store: stores,
      resolver,
      web,
      outlets: (spec) => (opened.push(spec), outlet),
    });
  return { clock, stores, sent, opened, resolver, make };
}

/** What a plugin that counts has of its set-up, and how it is closed. */
function counterSetup({ clock, stores }: ReturnType<typeof world>) {
  const closes: (() => void | Promise<void>)[] = [];
  const log = { warn: (text: string) => expect.unreachable(text) };
  const setup = {
    services: { clock, store: stores },
    log,
    onClose: (close: () => void | Promise<void>) => void closes.push(close),
  };
  return { setup: setup as never, close: () => Promise.all(closes.map((close) => close())) };
}

async function counted(made: ReturnType<typeof world>, results: readonly DmarcResult[]): Promise<void> {
  const { setup, close } = counterSetup(made);
  const count = openDmarcCounts(setup);
  for (const result of results) count(result);
  await close();
}

test('DMARC: a day that is over is reported once, to those that agree, by the outlet that is named', async () => {
  const made = world({
    zones: { 'a.example._report._dmarc.other.test': { TXT: ['v=DMARC1; rua=mailto:here@other.test'] } },
    options: 'from dmarc@mx.example org Some_Org via smtp-forward 127.0.0.1 2525',
  });
  await counted(made, [
    RESULT,
    RESULT,
    { ...RESULT, isReportable: false },
    { ...RESULT, result: 'temperror' },
  ]);
  const plugin = made.make(dmarcReports);
  expect(made.opened).toEqual(['smtp-forward 127.0.0.1 2525']);
  await plugin.prepare();
  expect(made.sent).toEqual([]);
  made.clock.advance(DAY_MS + DAY_MS / 4);
  await made.make(dmarcReports).prepare();
  await expect.poll(() => made.sent.length).toBe(2);
  const [first, second] = made.sent;
  expect([first!.to, second!.to]).toEqual(['<reports@a.example>', '<here@other.test>']);
  expect(first!.header('Subject')).toBe(
    `Report Domain: a.example Submitter: mx.example Report-ID: <${DAY}.a.example.mx.example>`,
  );
  expect(first!.header('From')).toBe('dmarc@mx.example');
  expect(first!.text).toContain(
    `filename="mx.example!a.example!${DAY * 86_400}!${DAY * 86_400 + 86_399}.xml.gz"`,
  );
  expect(first!.report).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">
  <version>1.0</version>
  <report_metadata>
    <org_name>Some Org</org_name>
    <email>dmarc@mx.example</email>
    <report_id>${DAY}.a.example.mx.example</report_id>
    <date_range><begin>${DAY * 86_400}</begin><end>${DAY * 86_400 + 86_399}</end></date_range>
    <generator>qpsmtpd</generator>
  </report_metadata>
  <policy_published>
    <domain>a.example</domain>
    <discovery_method>treewalk</discovery_method>
    <p>reject</p>
    <sp>none</sp>
    <fo>1</fo>
    <adkim>r</adkim>
    <aspf>s</aspf>
    <testing>n</testing>
  </policy_published>
  <record>
    <row>
      <source_ip>2001:db8::1</source_ip>
      <count>2</count>
      <policy_evaluated>
        <disposition>none</disposition>
        <dkim>pass</dkim>
        <spf>fail</spf>
        <reason>
          <type>trusted_forwarder</type>
          <comment>arc &lt;b&gt;&amp;</comment>
        </reason>
      </policy_evaluated>
    </row>
    <identifiers>
      <header_from>mail.a.example</header_from>
      <envelope_from></envelope_from>
    </identifiers>
    <auth_results>
      <dkim>
        <domain>a.example</domain>
        <selector>s?</selector>
        <result>pass</result>
      </dkim>
      <spf>
        <domain>helo.a.example</domain>
        <result>softfail</result>
      </spf>
    </auth_results>
  </record>
</feedback>
`);
  // Another process, and the same one later, find it done.
  await made.make(dmarcReports).prepare();
  made.clock.advance(DAY_MS / 4);
  await made.make(dmarcReports).prepare();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(made.sent).toHaveLength(2);
});

test('DMARC: what cannot be sent now is sent later, what nobody wants never', async () => {
  const made = world({ kinds: ['deferred', 'delivered'] });
  await counted(made, [RESULT]);
  made.clock.advance(DAY_MS + DAY_MS / 4);
  await made.make(dmarcReports).prepare();
  await expect.poll(() => made.sent.length).toBe(1);
  expect(made.opened[0]).toBe('smtp-forward mx');
  made.clock.advance(DAY_MS / 12);
  await made.make(dmarcReports).prepare();
  await expect.poll(() => made.sent.length).toBe(2);

  const unwanted = world();
  await counted(unwanted, [{ ...RESULT, published: { ...RESULT.published!, rua: ['mailto:x@other.test'] } }]);
  unwanted.clock.advance(DAY_MS + DAY_MS / 4);
  await unwanted.make(dmarcReports).prepare();
  await unwanted.resolver.whenAsked('TXT a.example._report._dmarc.other.test');
  await expect.poll(() => unwanted.stores.open('dmarc-reports').get(`sent ${DAY} a.example`)).toBe('done');
  expect(unwanted.sent).toEqual([]);
});

test.each<[string, readonly string[]]>([
  ['mailto:a@b.example', ['<a@b.example>']],
  ['MAILTO:a%2Bx@B.example?subject=x', ['<a+x@b.example>']],
  ['mailto:a@b.example!10m', ['<a@b.example>']],
  ['https://b.example/', []],
  ['mailto:a', []],
  ['mailto:a%0d%0aBcc:x@b.example', []],
  ['mailto:%zz@b.example', []],
  // Hosts inside, by the wish of a stranger.
  ['mailto:a@[127.0.0.1]', []],
  ['mailto:a@127.0.0.1', []],
  ['mailto:a@localhost', []],
])('%s leads to %j', (uri, addresses) => {
  expect(mailAddressesOf([uri]).map(String)).toEqual(addresses);
});

test.each<[string, FakeDnsZones, readonly string[], boolean]>([
  ['no answer', {}, [], false],
  ['a failure', { 'a.example._report._dmarc.b.test': 'SERVFAIL' }, [], true],
  ['another record', { 'a.example._report._dmarc.b.test': { TXT: ['v=spf1'] } }, [], false],
  ['agreement', { 'a.example._report._dmarc.b.test': { TXT: ['v=DMARC1;'] } }, ['<x@b.test>'], false],
  [
    'another address',
    { 'a.example._report._dmarc.b.test': { TXT: ['v=DMARC1; rua=mailto:y@b.test'] } },
    ['<y@b.test>'],
    false,
  ],
  [
    'another host',
    { 'a.example._report._dmarc.b.test': { TXT: ['v=DMARC1; rua=mailto:y@victim.test'] } },
    [],
    false,
  ],
])('RFC 9990 section 4: with %s', async (_, zones, addresses, isUncertain) => {
  const found = await agreedAddresses('a.example', ['mailto:x@b.test'], fakeResolver(zones), () => false);
  expect([found.addresses.map(String), found.isUncertain]).toEqual([addresses, isUncertain]);
});

test('TLS: counts become JSON, by mail and over HTTPS, with the policy that held', async () => {
  const posted: string[] = [];
  const web = new MemoryWeb({
    'https://reports.a.example/tls': ({ body }) => {
      posted.push(String(body));
      return { status: 201 };
    },
  });
  const made = world({
    zones: {
      '_smtp._tls.a.example': { TXT: ['v=TLSRPTv1; rua=mailto:tls@a.example,https://reports.a.example/tls'] },
      'reports.a.example': { A: ['8.8.4.4'] },
    },
    web,
  });
  const { setup, close } = counterSetup(made);
  const count = openTlsCounts(setup);
  count('a.example', 'sts', 'success', { mx: 'mx.a.example' });
  count('a.example', 'sts', 'success', { mx: 'mx.a.example' });
  count('a.example', 'sts', 'certificate-expired', { mx: 'mx2.a.example' });
  count('a.example', 'tlsa', 'success', { mx: 'mx.a.example', policy: ['3 1 1 00ff'] });
  count('[192.0.2.1]', 'no-policy-found', 'success', {});
  count('silent.example', 'no-policy-found', 'success', {});
  await close();
  const text = 'version: STSv1\r\nmode: enforce\r\nmx: *.a.example\r\nmax_age: 86400\r\n';
  await made.stores.open('mta-sts').set('a.example', JSON.stringify({ id: '1', text, fetchedAt: 0 }));
  made.clock.advance(DAY_MS + DAY_MS / 4);
  await made.make(tlsReports).prepare();
  await expect.poll(() => made.sent.length).toBe(1);
  const [mail] = made.sent;
  expect(mail!.to).toBe('<tls@a.example>');
  expect(mail!.header('TLS-Required')).toBe('No');
  expect(mail!.header('TLS-Report-Domain')).toBe('a.example');
  expect(posted.map((body) => JSON.parse(body) as unknown)).toEqual([JSON.parse(mail!.report)]);
  const report = JSON.parse(mail!.report) as Record<string, unknown>;
  expect(report['date-range']).toEqual({
    'start-datetime': '2026-11-29T00:00:00Z',
    'end-datetime': '2026-11-29T23:59:59Z',
  });
  const policies = report['policies'] as { policy: Record<string, unknown>; summary: unknown }[];
  expect(
    policies.sort((a, b) => String(a.policy['policy-type']).localeCompare(String(b.policy['policy-type']))),
  ).toEqual([
    {
      policy: {
        'policy-type': 'sts',
        'policy-string': ['version: STSv1', 'mode: enforce', 'mx: *.a.example', 'max_age: 86400'],
        'policy-domain': 'a.example',
        'mx-host': ['*.a.example'],
      },
      summary: { 'total-successful-session-count': 2, 'total-failure-session-count': 1 },
      'failure-details': [
        {
          'result-type': 'certificate-expired',
          'receiving-mx-hostname': 'mx2.a.example',
          'failed-session-count': 1,
        },
      ],
    },
    {
      policy: { 'policy-type': 'tlsa', 'policy-string': ['3 1 1 00ff'], 'policy-domain': 'a.example' },
      summary: { 'total-successful-session-count': 1, 'total-failure-session-count': 0 },
    },
  ]);
});

test('TLS: a report is never posted into this network', async () => {
  const web = new MemoryWeb({ 'https://inside.a.example/': () => expect.unreachable() });
  const made = world({
    zones: {
      '_smtp._tls.a.example': { TXT: ['v=TLSRPTv1; rua=https://inside.a.example/'] },
      'inside.a.example': { A: ['127.0.0.1', '10.0.0.1', '169.254.169.254'] },
    },
    web,
  });
  const { setup, close } = counterSetup(made);
  openTlsCounts(setup)('a.example', 'sts', 'success', {});
  await close();
  made.clock.advance(DAY_MS + DAY_MS / 4);
  await made.make(tlsReports).prepare();
  await made.resolver.whenAsked('AAAA inside.a.example');
  expect(await made.stores.open('tls-reports').get(`sent ${DAY} a.example`)).not.toBe('done');
});

test('text of the sender takes up no more than names of the DNS do, or it is not counted', async () => {
  const made = world();
  const signature = { selector: 's', result: 'fail', comment: 'x'.repeat(5_000) } as const;
  await counted(made, [
    {
      ...RESULT,
      signatures: [
        { ...signature, domain: 'd'.repeat(8_000) },
        { ...signature, domain: 'b.example', selector: 's'.repeat(8_000) },
        { ...signature, domain: 'b.example' },
      ],
    },
  ]);
  const [found] = (await readDomainDay<DmarcRow, unknown>(
    made.stores.open('dmarc-reports'),
    DAY,
    'a.example',
  ))!.rows;
  expect(
    found!.row.signatures.map(({ domain, selector, comment }) => [domain, selector, comment?.length]),
  ).toEqual([['b.example', 's', 200]]);
});

test('the rows of a day take up bounded room, whatever they hold', () => {
  const clock = new TestClock(DAY * DAY_MS);
  const warned: string[] = [];
  const log = { warn: (text: string) => void warned.push(text) };
  const counts = new DayCounts<string, null>({ store: heldStore().store, clock, log });
  const large = 'x'.repeat(100_000);
  for (let at = 0; at < 1_000; at++) counts.count(`d${at % 50}.example`, null, `${at} ${large}`);
  clock.advance(DAY_MS);
  counts.count('a.example', null, 'next day');
  expect(warned).toEqual([
    expect.stringMatching(/^[67]\d\d rows of 2026-11-29 were too many to be reported$/),
  ]);
});

/** A store that answers nothing until it is let go. */
function heldStore() {
  let letGo: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (letGo = resolve));
  const written: string[] = [];
  const store = {
    set: () => held,
    async transact(key: string, change: (value: undefined) => { readonly value?: string }) {
      await held;
      written.push(`${key.split(' ')[2]} ${change(undefined).value}`);
    },
  };
  return { store: store as unknown as Store, written, letGo };
}

test('counts that wait for a slow store are put together', async () => {
  const { store, written, letGo } = heldStore();
  const log = { warn: (text: string) => expect.unreachable(text) };
  const counts = new DayCounts<string, null>({ store, clock: new TestClock(DAY * DAY_MS), log });
  for (let times = 0; times < 4; times++) {
    counts.count('a.example', null, 'row');
    void counts.write();
  }
  letGo();
  await counts.close();
  expect(written).toEqual(['a.example 1 "row"', 'a.example 3 "row"']);
});

test('an outlet that never answers is given up, and the report is tried again later', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const made = world();
    await counted(made, [RESULT]);
    made.clock.advance(DAY_MS + DAY_MS / 4);
    const signals: (AbortSignal | undefined)[] = [];
    const silent: Outlet = {
      deliver: (_mail, signal) => {
        signals.push(signal);
        return new Promise(() => undefined);
      },
    };
    const plugin = testPlugin(dmarcReports, {
      clock: made.clock,
      store: made.stores,
      resolver: made.resolver,
      outlets: () => silent,
    });
    await plugin.prepare();
    await vi.waitFor(() => expect(signals).toHaveLength(1));
    await vi.advanceTimersByTimeAsync(10 * 60_000);
    expect(signals[0]!.aborted).toBe(true);
    await vi.waitFor(() => expect(plugin.log.join()).toContain('has not answered in time'));
    expect(await made.stores.open('dmarc-reports').get(`sent ${DAY} a.example`)).not.toBe('done');
  } finally {
    vi.useRealTimers();
  }
});

test('no process sends before the others have written what they counted until midnight', async () => {
  for (const host of Array.from({ length: 2_000 }, (_, at) => `mx${at}.example`)) {
    const made = world();
    const store = made.stores.open('x');
    await store.set(`about ${DAY} a.example`, 'null');
    made.clock.advance(DAY_MS - 1_000 + 60_000);
    const send = () => expect.unreachable(`${host} is too early`);
    const log = { notice: () => undefined, warn: (text: string) => expect.unreachable(text) };
    await new DailyJob({ store, clock: made.clock, log, host, send }).run();
  }
});

test('those who have their pages at the same host are not of one organisation', async () => {
  const made = world();
  const published = { ...RESULT.published!, domain: 'a.github.io', rua: ['mailto:x@victim.github.io'] };
  await counted(made, [{ ...RESULT, published }]);
  made.clock.advance(DAY_MS + DAY_MS / 4);
  await made.make(dmarcReports).prepare();
  await expect.poll(() => made.stores.open('dmarc-reports').get(`sent ${DAY} a.github.io`)).toBe('done');
  expect(made.sent).toEqual([]);
});
