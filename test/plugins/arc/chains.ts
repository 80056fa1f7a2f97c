/** Messages with chains of ARC, as hosts that pass them on make them. */

import { generateKeyPairSync } from 'node:crypto';
import {
  fakeResolver,
  testPlugin,
  TestClock,
  type FakeDnsName,
  type TestedPlugin,
} from '../../../host/testing/index.ts';
import arc from '../../../plugins/arc/index.ts';
import { keyTags, pem, type Pair } from '../dkim-samples.ts';

export const NOW = Date.parse('2026-11-22T12:00:00Z');
export const MESSAGE = 'From: a@b.example\r\nTo: c@d.example\r\nSubject: x\r\n\r\nHello.\r\n';

const keyOf = (pair: Pair): { private: string; record: string } => ({
  private: pem(pair),
  record: `v=DKIM1; ${keyTags(pair)}`,
});
export const ED25519 = keyOf(generateKeyPairSync('ed25519'));
export const RSA = keyOf(generateKeyPairSync('rsa', { modulusLength: 2_048 }));

export const SEALERS = ['one.example', 'two.example', 'three.example'];
export const ZONES: Record<string, FakeDnsName> = Object.fromEntries(
  SEALERS.map((domain) => [`s._domainkey.${domain}`, { TXT: [ED25519.record] }]),
);
ZONES['s._domainkey.rsa.example'] = { TXT: [RSA.record] };

interface Hop {
  readonly message: string;
  /** What the plugin has added to Authentication-Results. */
  readonly results: readonly string[];
  readonly tested: TestedPlugin;
}

export interface HopOptions {
  readonly found?: string;
  readonly zones?: Record<string, FakeDnsName>;
  readonly relay?: boolean;
}

/** What a host makes of a message that it passes on, with the seal of `domain` if there is one. */
export async function hop(
  message: string,
  domain?: string,
  { found = 'dmarc=pass header.from=b.example', zones = ZONES, relay = false }: HopOptions = {},
): Promise<Hop> {
  const key = domain === 'rsa.example' ? RSA : ED25519;
  const tested = testPlugin(arc, {
    options: domain === undefined ? '' : `seal ${domain}`,
    clock: new TestClock(NOW),
    resolver: fakeResolver(zones),
    config:
      domain === undefined
        ? {}
        : { [`dkim/${domain}/selector`]: 's', [`dkim/${domain}/private`]: key.private },
  });
  const { ask, session } = tested;
  session.begin({ from: '<a@b.example>', to: ['<c@d.example>'], message });
  session.connection.relayClient = relay;
  await ask('data_post_headers');
  const results = session.connection.authenticationResults.map(String);
  const own = ['mx.example', 'auth=none', ...results, found].join('; ');
  session.transaction.message.header.prepend('Authentication-Results', own);
  if (domain !== undefined) await ask('queue_pre');
  return { message: session.content, results, tested };
}

export async function sealedBy(domains: readonly string[]): Promise<string> {
  let message = MESSAGE;
  for (const domain of domains) ({ message } = await hop(message, domain));
  return message;
}
