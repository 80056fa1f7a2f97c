/** Messages with signatures, keys in a DNS, and what verifying finds, for the tests of DKIM. */

import { createHash, sign, type KeyObject } from 'node:crypto';
import { fakeResolver, TestClock, testPlugin, type FakeDnsZones } from '../../host/testing/index.ts';
import { definePlugin } from '../../bindings/plugin/index.ts';
import {
  acceptsPartialBodies,
  verifySignatures,
  type MessageSignatures,
} from '../../plugins/mailauth/message-signatures.ts';

export const NOW = Date.parse('2026-11-22T12:00:00Z');

/** What `verifySignatures` finds in a message, line ends written as LF or CRLF. */
export async function verified(
  message: string | Buffer,
  zones: FakeDnsZones,
  { isPartialFine = false, resolver = fakeResolver(zones), now = NOW } = {},
): Promise<MessageSignatures> {
  let found: MessageSignatures | undefined;
  const asking = definePlugin({
    name: 'asking',
    about: 'Asks for signatures.',
    hooks: {
      async data_post_headers(context) {
        if (isPartialFine) context.transaction.notes.set(acceptsPartialBodies, true);
        found = await verifySignatures(context);
      },
    },
  });
  const { ask, session } = testPlugin(asking, { clock: new TestClock(now), resolver });
  session.begin({ from: '<a@b.example>', message: typeof message === 'string' ? crlf(message) : message });
  await ask('data_post_headers');
  return found!;
}

export const crlf = (text: string): string => text.replace(/\r?\n/g, '\r\n');

/** `pass`, `permerror no key`: of all signatures, from top to bottom. */
export const outcomes = ({ signatures }: MessageSignatures): readonly string[] =>
  signatures.map(({ result, comment }) => (comment === undefined ? result : `${result} ${comment}`));

const BODY = `Hi.

We lost the game. Are you hungry yet?

Joe.
`;

const HEADER = `From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>
`;

/** RFC 6376 appendix A.2, and its key of appendix A.3. */
export const RFC_6376 = {
  message: `DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
      c=simple/simple; q=dns/txt; i=joe@football.example.com;
      h=Received : From : To : Subject : Date : Message-ID;
      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB
      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut
      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV
      4bmp/YzhwvcubU4=;
Received: from client1.football.example.com  [192.0.2.1]
      by submitserver.example.com with SUBMISSION;
      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)
${HEADER}
${BODY}`,
  zones: {
    'brisbane._domainkey.example.com': {
      TXT: [
        'v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt' +
          'IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhi' +
          'tdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB',
      ],
    },
  },
} as const;

/** RFC 8463 appendix A: two signatures, Ed25519 and RSA. */
export const RFC_8463 = {
  message: `DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
${HEADER}
${BODY}`,
  zones: {
    'brisbane._domainkey.football.example.com': {
      TXT: ['v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo='],
    },
    'test._domainkey.football.example.com': {
      TXT: [
        'v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhd' +
          'R6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5' +
          'QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB',
      ],
    },
  },
} as const;

export interface Pair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** As `dkim/DOMAIN/private` holds it. */
export const pem = ({ privateKey }: Pair): string =>
  privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;

/** `k=rsa; p=...`, the end of a key record. */
export function keyTags({ publicKey }: Pair): string {
  const der = publicKey.export({ type: 'spki', format: 'der' });
  return publicKey.asymmetricKeyType === 'rsa'
    ? `k=rsa; p=${der.toString('base64')}`
    : `k=ed25519; p=${der.subarray(-32).toString('base64')}`;
}

/**
 * A message with one more signature on top, in relaxed form, made without the code it is to test: `tags` take the place of the
 * usual ones, and leave out those they say are undefined. The signature is right for the tags, whatever these say.
 */
export function withSignature(
  message: string,
  { privateKey }: Pair,
  tags: Readonly<Record<string, string | undefined>> = {},
): string {
  const text = crlf(message);
  const end = text.indexOf('\r\n\r\n');
  const body = text.slice(end + 4);
  const canonical =
    body === ''
      ? ''
      : `${body
          .replace(/[ \t]+/g, ' ')
          .replace(/ (?=\r\n)/g, '')
          .replace(/(\r\n)*$/, '')}\r\n`;
  const isRsa = privateKey.asymmetricKeyType === 'rsa';
  const length = tags['l'] === undefined ? canonical.length : Number(tags['l']);
  const all: Record<string, string | undefined> = {
    v: '1',
    a: isRsa ? 'rsa-sha256' : 'ed25519-sha256',
    c: 'relaxed/relaxed',
    d: 'example.org',
    s: 's1',
    h: 'from',
    bh: createHash('sha256').update(canonical.slice(0, length), 'latin1').digest('base64'),
    ...tags,
  };
  const value = Object.entries(all)
    .flatMap(([name, tag]) => (tag === undefined ? [] : [`${name}=${tag}`]))
    .join('; ');
  const lines = text.slice(0, end).split(/\r\n(?![ \t])/);
  const signed = (all['h'] ?? '').split(':').flatMap((name) => {
    const index = lines.findLastIndex((line) =>
      line.toLowerCase().startsWith(`${name.trim().toLowerCase()}:`),
    );
    return index < 0 ? [] : lines.splice(index, 1);
  });
  const relaxed = (line: string): string => {
    const [, name = '', rest = ''] = /^([^:]*):([^]*)$/.exec(line.replace(/\r\n/g, '')) ?? [];
    return `${name.toLowerCase()}:${rest.replace(/[ \t]+/g, ' ').trim()}`;
  };
  const data = [...signed.map((line) => `${relaxed(line)}\r\n`), `dkim-signature:${value}; b=`].join('');
  const signature = isRsa
    ? sign(all['a'] === 'rsa-sha1' ? 'sha1' : 'sha256', Buffer.from(data, 'latin1'), privateKey)
    : sign(null, createHash('sha256').update(data, 'latin1').digest(), privateKey);
  return `DKIM-Signature: ${value}; b=${signature.toString('base64')}\r\n${text}`;
}
