import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { fakeResolver, MemoryFiles, printVerdict, TestClock, testPlugin } from '../../host/testing/index.ts';
import dkimsign from '../../plugins/dkimsign.ts';
import { rawFields } from '../../plugins/mailauth/header-text.ts';
import { signedNames } from '../../plugins/mailauth/message-signer.ts';
import { crlf, keyTags, NOW, outcomes, pem, verified, type Pair } from './dkim-samples.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const ed25519 = generateKeyPairSync('ed25519');

const record = (pair: Pair): string => `v=DKIM1; ${keyTags(pair)}`;

const KEYS = { 'dkim/example.org/private': pem(rsa), 'dkim/example.org/selector': 's1' };
const BOTH = {
  ...KEYS,
  'dkim/example.org/selector': 's1\ns2 edkey',
  'dkim/example.org/edkey': pem(ed25519),
};
const ZONES = {
  's1._domainkey.example.org': { TXT: [record(rsa)] },
  's2._domainkey.example.org': { TXT: [record(ed25519)] },
};

const MESSAGE = `From: Ann <ann@example.org>
To: bob@example.net
Subject: a
 folded   subject
Date: Sun, 22 Nov 2026 12:00:00 +0000
Message-ID: <1@example.org>

 Some  text \t here \n\n\n`;

interface Made {
  readonly verdict: string;
  readonly content: string;
  readonly log: readonly string[];
}

async function signed(
  message: string,
  config: Readonly<Record<string, string>>,
  {
    options = '',
    from = '<ann@example.org>',
    relayClient = true,
    files = new MemoryFiles(),
    user = undefined as string | undefined,
  } = {},
): Promise<Made> {
  const { ask, session, log } = testPlugin(dkimsign, {
    config,
    options,
    files,
    clock: new TestClock(NOW),
    client: { relayClient, auth: user === undefined ? undefined : { user, mechanism: 'PLAIN' } },
  });
  session.begin({ from, message: crlf(message) });
  const verdict = printVerdict(await ask('queue_pre'));
  return { verdict, content: session.content, log };
}

test.each(['relaxed/relaxed', 'relaxed/simple', 'simple/relaxed', 'simple/simple'])(
  'RFC 6376 section 5: signs with all keys of the domain, %s',
  async (canonicalization) => {
    const { verdict, content, log } = await signed(MESSAGE, BOTH, {
      options: `canonicalization ${canonicalization}`,
    });
    expect(verdict).toBe('DECLINED');
    expect(content).toContain(`c=${canonicalization}; d=example.org; s=s1;`);
    expect(log.join()).toContain(
      'pass, signed as example.org (s1, rsa-sha256) and example.org (s2, ed25519-sha256)',
    );
    expect(outcomes(await verified(content, ZONES))).toEqual(['pass', 'pass']);
    expect(content.split('\r\n').every((line) => line.length <= 78)).toBe(true);
  },
);

test.each([
  ['no body at all', 'From: a@example.org\n\n'],
  ['empty lines', 'From: a@example.org\n\n\n\n\n'],
  ['no empty line', 'From: a@example.org\n'],
  ['8-bit', 'From: a@example.org\nSubject: \xfcber\n\n\xe4\n'],
  ['fields twice', 'From: a@example.org\nTo: b@c.example\nTo: d@c.example\nReceived: x\nReceived: y\n\nx\n'],
  ['no line end', 'From: a@example.org\n\nx'],
])('RFC 6376 section 3.4: a message with %s', async (_what, message) => {
  for (const canonicalization of ['relaxed/relaxed', 'simple/simple']) {
    const { content } = await signed(message, BOTH, { options: `canonicalization ${canonicalization}` });
    expect(outcomes(await verified(Buffer.from(content, 'latin1'), ZONES))).toEqual(['pass', 'pass']);
  }
});

describe('RFC 6376 section 8.15: a field added on the way', () => {
  test.each([
    'From: eve@example.org',
    'Subject: another',
    'To: eve@example.net',
    'Reply-To: eve@example.net',
  ])('%s breaks the signature', async (field) => {
    const { content } = await signed(MESSAGE, KEYS);
    const [outcome] = outcomes(await verified(`${field}\r\n${content}`, ZONES));
    expect(outcome).toMatch(/^fail bad signature$/);
  });

  test('Received does not', async () => {
    const { content } = await signed(MESSAGE, KEYS);
    expect(outcomes(await verified(`Received: by x\r\n${content}`, ZONES))).toEqual(['pass']);
  });

  test('h= lists once more than they occur what readers show, and as often as they occur what else counts', () => {
    const fields = rawFields(Buffer.from('From: a\r\nDate: b\r\nList-Id: c\r\nX-Other: d\r\n'));
    expect(signedNames(fields).join(' ')).toBe('from from reply-to subject to cc date date list-id');
  });
});

describe('whose key', () => {
  const child = { 'dkim/mail.example.org/private': pem(rsa), 'dkim/mail.example.org/selector': 'm' };
  test.each([
    ['that of the author', 'a@example.org', '<x@other.example>', KEYS, 'd=example.org; s=s1'],
    ['that of the nearest domain above', 'a@x.y.example.org', '<>', KEYS, 'd=example.org; s=s1'],
    ['the nearest of two', 'a@x.mail.example.org', '<>', { ...KEYS, ...child }, 'd=mail.example.org; s=m'],
    ['that of the reverse-path', 'a@other.example', '<x@example.org>', KEYS, 'd=example.org; s=s1'],
    ['in any case', 'a@EXAMPLE.org', '<>', KEYS, 'd=example.org; s=s1'],
  ])('is %s', async (_which, author, from, config, expected) => {
    const { content } = await signed(`From: ${author}\n\nx\n`, config, { from });
    expect(content).toContain(expected);
  });

  test.each([
    ['From: a@other.example\n\nx\n', '<b@else.example>', 'skip, no key for other.example or else.example'],
    ['From: a@../../etc\n\nx\n', '<>', 'skip, no key for'],
    ['Subject: none\n\nx\n', '<a@example.org>', 'skip, 0 From fields'],
    ['From: a@example.org\nFrom: b@example.org\n\nx\n', '<a@example.org>', 'skip, 2 From fields'],
  ])("is nobody's: %j", async (message, from, reason) => {
    const { content, log } = await signed(message, KEYS, { from });
    expect(content).not.toContain('DKIM-Signature');
    expect(log.join()).toContain(reason);
  });

  test('of a folder that is a link is that of the domain it leads to', async () => {
    const files = new MemoryFiles();
    const config = { 'dkim/client.example/private': pem(rsa), 'dkim/client.example/selector': 's1' };
    const probe = testPlugin(dkimsign, { config });
    const { file } = probe.config.placeOf('dkim/client.example/selector');
    files.link(file.replace(/\/selector$/, ''), 'example.org');
    const { content } = await signed('From: a@client.example\n\nx\n', config, { files });
    expect(content).toContain('d=example.org; s=s1');
  });

  test('clients that may not relay are not signed for', async () => {
    const { content } = await signed(MESSAGE, KEYS, { relayClient: false });
    expect(content).not.toContain('DKIM-Signature');
  });
});

describe('keys', () => {
  const short = generateKeyPairSync('rsa', { modulusLength: 512 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  test.each([
    [{ 'dkim/example.org/private': pem(rsa) }, /dkim\/example\.org\/selector is missing: write the selector/],
    [
      { 'dkim/example.org/selector': 's1' },
      /dkim\/example\.org\/private is missing or empty: `qpsmtpd dkim-key/,
    ],
    [{ ...KEYS, 'dkim/example.org/private': 'x' }, /private is no private key in PEM/],
    [
      { ...KEYS, 'dkim/example.org/private': pem(short) },
      /private has 512 bits, and receivers refuse less than 1024/,
    ],
    [{ ...KEYS, 'dkim/example.org/private': pem(ec) }, /private is a key of type ec/],
    [{ ...KEYS, 'dkim/example.org/selector': 's1 ../../x' }, /selector: "s1 \.\.\/\.\.\/x" is not SELECTOR/],
    [{ ...KEYS, 'dkim/example.org/selector': 'a\nb\nc\nd\ne' }, /more than 4 selectors/],
  ])('that cannot be used put the message off: %#', async (config, expected) => {
    const { verdict, content, log } = await signed(MESSAGE, config);
    expect(verdict).toMatch(/^DENYSOFT/);
    expect(content).not.toContain('DKIM-Signature');
    expect(log.join('\n')).toMatch(expected);
    expect(printVerdictOf(await signed(MESSAGE, config, { options: 'on_error skip' }))).toBe('DECLINED');
  });

  test('that are replaced count from the next message on', async () => {
    const { ask, session, config } = testPlugin(dkimsign, { config: KEYS, client: { relayClient: true } });
    const sign = async (): Promise<string> => {
      session.begin({ from: '<ann@example.org>', message: crlf(MESSAGE) });
      await ask('queue_pre');
      return session.content;
    };
    expect(await sign()).toContain('a=rsa-sha256');
    config.write('dkim/example.org/private', pem(ed25519));
    config.write('dkim/example.org/selector', 's2');
    const content = await sign();
    expect(content).toContain('a=ed25519-sha256');
    expect(outcomes(await verified(content, ZONES))).toEqual(['pass']);
  });
});

test('check names the keys that nothing can be signed with', async () => {
  const config = {
    ...KEYS,
    'dkim/a.example/selector': 's1',
    'dkim/b.example/selector': 's1',
    'dkim/b.example/private': 'x',
  };
  const files = new MemoryFiles();
  const tested = testPlugin(dkimsign, { config, files });
  expect(await tested.check()).toEqual([]);
  for (const name of Object.keys(config)) files.write(tested.config.placeOf(name).file, '');
  const [notice] = await tested.check();
  expect(notice?.headline).toMatch(/^keys that nothing can be signed with/);
  expect(notice?.items.map((item) => item.replace(/^.*dkim\//, ''))).toEqual([
    'a.example/private is missing or empty: `qpsmtpd dkim-key DOMAIN` makes a key',
    'b.example/private is no private key in PEM without a passphrase: `qpsmtpd dkim-key DOMAIN` makes a key',
  ]);
});

test('RFC 6376 section 3.5: t= is the time, and x= so many days later', async () => {
  const { content } = await signed(MESSAGE, KEYS, { options: 'expire 7' });
  const time = NOW / 1_000;
  expect(content).toContain(`t=${time}; x=${time + 7 * 86_400};`);
});

test('with queue/cut-through the header has left before it can be signed: the start is refused', () => {
  const config = { ...KEYS, plugins: 'dkimsign\nqueue/cut-through 10.0.0.5' };
  expect(() => testPlugin(dkimsign, { config })).toThrow(/does not go together with queue\/cut-through/);
});

test('a body that comes in many blocks', async () => {
  const body = `${'x'.repeat(60)} \t y\n`.repeat(10_000);
  const { content } = await signed(`From: a@example.org\n\n${body}\n\n`, BOTH);
  expect(outcomes(await verified(content, ZONES, { resolver: fakeResolver(ZONES) }))).toEqual([
    'pass',
    'pass',
  ]);
});

const printVerdictOf = ({ verdict }: Made): string => verdict;

describe('logins own: who has logged in signs for the domain of the login alone', () => {
  test.each([
    ['ann@example.org', 'ann@example.org', true],
    ['ann@EXAMPLE.org', 'ann@sub.example.org', true],
    ['eve@example.net', 'ann@example.org', false],
    ['eve@sub.example.org', 'ann@example.org', false],
    ['eve@notexample.org', 'ann@example.org', false],
    ['eve@ample.org', 'ann@example.org', false],
    ['ann', 'ann@example.org', false],
    // A client of relayclients has no login.
    [undefined, 'ann@example.org', true],
  ])('%s, with From: %s', async (user, author, isSigned) => {
    const message = `From: ${author}\n\nx\n`;
    const made = await signed(message, KEYS, { user, from: '<>', options: 'logins own' });
    expect(made.content.includes('DKIM-Signature')).toBe(isSigned);
    expect(made.log.join()).toContain(
      isSigned ? 'signed as example.org' : `${user} may not sign for ${author.split('@')[1]}`,
    );
    const { content } = await signed(message, KEYS, { user, from: '<>' });
    expect(content).toContain('d=example.org');
  });

  test('a reverse-path of the domain is signed for, as its login answers for it', async () => {
    const made = await signed('From: ann@example.net\n\nx\n', KEYS, {
      user: 'ann@example.org',
      options: 'logins own',
    });
    expect(made.content).toContain('d=example.org');
  });
});
