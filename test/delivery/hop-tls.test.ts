import { createSecureContext } from 'node:tls';
import { describe, expect, test } from 'vitest';
import type { PeerCertificate } from '../../bindings/plugin/index.ts';
import type { TlsDemand } from '../../plugins/queue/smtp/hop-options.ts';
import { Address } from '../../bindings/wire/address.ts';
import { PLAIN_MAIL } from '../../host/session/envelope-parameters.ts';
import { makeSelfSigned } from '../../host/tls/self-signed.ts';
import { makePair } from '../tls/secure-server.ts';
import { hopWith, outlet } from './hop-closers.ts';
import { mailTo } from './mail-object.ts';
import type { Script } from './scripted-hop.ts';

const pair = makePair('hop.test');
const DAY_MS = 86_400_000;
const expired = makeSelfSigned({
  names: ['hop.test'],
  notBefore: new Date(Date.now() - 3 * DAY_MS),
  notAfter: new Date(Date.now() - DAY_MS),
});
const contextOf = ({ certificate, key }: typeof pair) => createSecureContext({ cert: certificate, key });
const tls = contextOf(pair);
const offers = ['PIPELINING', 'STARTTLS'];

async function deliver(script: Script, demand: TlsDemand) {
  const hop = await hopWith(script);
  const out = outlet([hop], { tls: demand });
  const [outcome] = await out.deliver(mailTo(['a@d.example']));
  return { hop, out, outcome: outcome! };
}

test.each([
  ['none', 'none', {}],
  ['opportunistic, whatever the certificate', 'opportunistic', {}],
  ['required, whatever the certificate', 'required', {}],
  ['verified', 'verified', { authorities: pair.certificate }],
  [
    'verified, under another name',
    'verified',
    { authorities: pair.certificate, names: ['x.test', 'hop.test'] },
  ],
] as const)('%s: delivered', async (_, level, more) => {
  const { hop, outcome } = await deliver({ offers, tls }, { level, ...more });
  expect(outcome.kind).toBe('delivered');
  // Behind the handshake everything begins anew.
  expect(hop.lines.filter((line) => line.startsWith('EHLO'))).toHaveLength(level === 'none' ? 1 : 2);
});

test.each([
  ['no authority vouches for it', { offers, tls }, {}, '4.7.5', 'SELF_SIGNED'],
  ['wrong name', { offers, tls }, { authorities: pair.certificate, names: ['other.test'] }, '4.7.5', 'name'],
  [
    'expired',
    { offers, tls: contextOf(expired) },
    { authorities: expired.certificate },
    '4.7.5',
    'CERT_HAS_EXPIRED',
  ],
  ['STARTTLS not offered', { offers: [], tls }, { authorities: pair.certificate }, '4.7.4', 'no encryption'],
  ['STARTTLS refused', { offers, tls, says: { STARTTLS: '454 not now' } }, {}, '4.7.4', '454'],
])('verified, %s: deferred, and no word of the mail object', async (_, script, more, status, reason) => {
  const { hop, out, outcome } = await deliver(script, { level: 'verified', ...more });
  expect(outcome).toMatchObject({ kind: 'deferred', reply: { code: 451, status } });
  expect(out.log.join('\n')).toContain(reason);
  expect(hop.lines.join('\n')).not.toContain('MAIL');
});

test('octets in front of the handshake end the connection', async () => {
  const { hop, out, outcome } = await deliver(
    { offers, tls, says: { STARTTLS: '220 ready\n250-evil.test\n250 AUTH PLAIN' } },
    { level: 'required' },
  );
  expect(outcome.kind).toBe('deferred');
  expect(out.log.join('\n')).toMatch(/front of the TLS handshake|nobody asked for/);
  expect(hop.lines).not.toContain('MAIL FROM:<s@c.example>');
});

test('an opportunistic handshake that fails: once more, in the clear', async () => {
  const { hop, outcome } = await deliver(
    { offers, tls: createSecureContext({ ...pair, cert: pair.certificate, maxVersion: 'TLSv1.2' }) },
    { level: 'opportunistic', minimumVersion: 'TLSv1.3' },
  );
  expect(outcome.kind).toBe('delivered');
  expect(hop.talks).toHaveLength(2);
  expect(hop.talks[1]!.received.lines).not.toContain('STARTTLS');
});

test('a version that is too old is not taken where TLS is required', async () => {
  const { outcome } = await deliver(
    { offers, tls: createSecureContext({ cert: pair.certificate, key: pair.key, maxVersion: 'TLSv1.2' }) },
    { level: 'required', minimumVersion: 'TLSv1.3' },
  );
  expect(outcome).toMatchObject({ kind: 'deferred', reply: { status: '4.7.5' } });
});

test('TLS from the first octet', async () => {
  const { hop, outcome } = await deliver(
    { offers: ['PIPELINING'], tls, isImplicit: true },
    { level: 'verified', isImplicit: true, authorities: pair.certificate },
  );
  expect(outcome.kind).toBe('delivered');
  expect(hop.lines).not.toContain('STARTTLS');
});

test('a judge decides in place of authorities and names', async () => {
  const seen: PeerCertificate[] = [];
  const judge = (certificate: PeerCertificate): string | undefined => {
    seen.push(certificate);
    return undefined;
  };
  const taken = await deliver({ offers, tls }, { level: 'verified', names: ['other.test'], judge });
  expect(taken.outcome.kind).toBe('delivered');
  expect(seen[0]!.chain).toHaveLength(1);
  expect(seen[0]).toMatchObject({ hasName: false });
  expect(seen[0]!.distrust).toContain('SELF_SIGNED');
  const refused = await deliver({ offers, tls }, { level: 'verified', judge: () => 'no TLSA record fits' });
  expect(refused.outcome.kind).toBe('deferred');
  expect(refused.out.log.join('\n')).toContain('no TLSA record fits');
});

test('a judge that throws costs the connection, not the process', async () => {
  const judge = (): never => {
    throw new Error('no idea');
  };
  const { out, outcome } = await deliver({ offers, tls }, { level: 'verified', judge });
  expect(outcome.kind).toBe('deferred');
  expect(out.log.join()).toContain('no idea');
});

test.each([
  [
    'a message',
    new Address('s', 'c.example'),
    ['REQUIRETLS'],
    'delivered',
    'MAIL FROM:<s@c.example> REQUIRETLS',
  ],
  ['a message', new Address('s', 'c.example'), [], 'refused', undefined],
  // RFC 8689 section 5: what it was to protect is in verified TLS, and no report is lost over the promise.
  ['a report', Address.null, ['REQUIRETLS'], 'delivered', 'MAIL FROM:<> REQUIRETLS'],
  ['a report', Address.null, [], 'delivered', 'MAIL FROM:<>'],
])('%s that requires TLS all the way, from %s to a hop with %j: %s', async (_, sender, more, kind, mail) => {
  const hop = await hopWith({ offers: [...offers, ...more], tls });
  const out = outlet([hop], { tls: { level: 'verified', authorities: pair.certificate } });
  const mailOptions = { ...PLAIN_MAIL, requireTls: true };
  const [outcome] = await out.deliver(mailTo(['a@d.example'], { reversePath: sender, mailOptions }));
  expect(outcome!.kind).toBe(kind);
  expect(hop.lines.find((line) => line.startsWith('MAIL'))).toBe(mail);
});

test('a report that requires TLS goes nowhere without verified TLS', async () => {
  const hop = await hopWith({ offers: [...offers, 'REQUIRETLS'], tls });
  const out = outlet([hop], { tls: { level: 'required' } });
  const mailOptions = { ...PLAIN_MAIL, requireTls: true };
  const [outcome] = await out.deliver(mailTo(['a@d.example'], { reversePath: Address.null, mailOptions }));
  expect(outcome).toMatchObject({ kind: 'refused', reply: { code: 550, status: '5.7.10' } });
});

describe('a message that requires TLS all the way', () => {
  const mailOptions = { ...PLAIN_MAIL, requireTls: true };
  const demand: TlsDemand = { level: 'verified', authorities: pair.certificate };
  const oldContext = createSecureContext({ cert: pair.certificate, key: pair.key, maxVersion: 'TLSv1.2' });
  const SCRIPTS = {
    safe: { offers: [...offers, 'REQUIRETLS'], tls },
    'without the promise': { offers, tls },
    'without TLS': { offers: [] },
    'that refuses STARTTLS': { offers, tls, says: { STARTTLS: '502 never' } },
    'that has no TLS just now': { offers, tls, says: { STARTTLS: '454 not now' } },
    'with too old a TLS': { offers, tls: oldContext },
    'of another name': { offers, tls: contextOf(makePair('other.test')) },
  } satisfies Record<string, Script>;

  async function sent(names: readonly (keyof typeof SCRIPTS)[], tls_: TlsDemand = demand): Promise<string> {
    const hops = [];
    for (const name of names) hops.push(await hopWith(SCRIPTS[name]));
    const out = outlet(hops, { tls: tls_ });
    const [outcome] = await out.deliver(mailTo(['a@d.example'], { mailOptions }));
    return `${outcome!.kind} ${outcome!.reply.code} ${outcome!.reply.status ?? ''}`;
  }

  test.each<[keyof typeof SCRIPTS, string]>([
    ['without the promise', 'refused 550 5.7.30'],
    ['without TLS', 'refused 550 5.7.10'],
    ['that refuses STARTTLS', 'refused 550 5.7.10'],
    ['of another name', 'refused 550 5.7.10'],
    ['that has no TLS just now', 'deferred 451 4.7.4'],
  ])('to one host %s: %s', async (name, expected) => {
    expect(await sent([name])).toBe(expected);
    // Whatever else is there, a host that will do is found.
    expect(await sent([name, 'safe'])).toMatch(/^delivered 250/);
    expect(await sent(['safe', name])).toMatch(/^delivered 250/);
  });

  test('to a host that speaks no version of TLS we may use: refused', async () => {
    expect(await sent(['with too old a TLS'], { ...demand, minimumVersion: 'TLSv1.3' })).toBe(
      'refused 550 5.7.10',
    );
  });

  test('waits as long as one of the hosts may turn out to do', async () => {
    expect(await sent(['without TLS', 'that has no TLS just now'])).toBe('deferred 451 4.7.4');
    expect(await sent(['that has no TLS just now', 'without the promise'])).toBe('deferred 451 4.7.4');
    expect(await sent(['without TLS', 'without the promise'])).toBe('refused 550 5.7.30');
  });

  test('in the clear goes nowhere, and others may use the connection', async () => {
    const hop = await hopWith(SCRIPTS['without TLS']);
    const out = outlet([hop], { tls: { level: 'opportunistic' } });
    const [first] = await out.deliver(mailTo(['a@d.example'], { mailOptions }));
    expect(first).toMatchObject({ kind: 'refused', reply: { status: '5.7.10' } });
    const [second] = await out.deliver(mailTo(['a@d.example']));
    expect(second!.kind).toBe('delivered');
    expect(hop.talks).toHaveLength(1);
  });
});
