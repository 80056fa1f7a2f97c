/** Signatures beside three other implementations: Debian's opendkim, python3-dkim and libmail-dkim-perl. */

import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { randomNumbers, TestClient, testPlugin, TestClock } from '../../host/testing/index.ts';
import dkimsign from '../../plugins/dkimsign.ts';
import { keyTags, outcomes, pem, verified, withSignature, type Pair } from '../plugins/dkim-samples.ts';
import { PROGRAM, RunningDaemon, Workplace } from './daemon.ts';
import { describeWith } from './needs.ts';

const ORACLES = join(import.meta.dirname, 'dkim-oracles');
const CANONICALIZATIONS = ['relaxed/relaxed', 'relaxed/simple', 'simple/relaxed', 'simple/simple'] as const;

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const small = generateKeyPairSync('rsa', { modulusLength: 768 });
const ed25519 = generateKeyPairSync('ed25519');
const KEYS: Readonly<Record<string, string>> = {
  's1._domainkey.example.org': `v=DKIM1; ${keyTags(rsa)}`,
  's2._domainkey.example.org': `v=DKIM1; ${keyTags(ed25519)}`,
  'small._domainkey.example.org': `v=DKIM1; ${keyTags(small)}`,
  'revoked._domainkey.example.org': 'v=DKIM1; p=',
  'strict._domainkey.example.org': `v=DKIM1; t=s; ${keyTags(rsa)}`,
  'hashes._domainkey.example.org': `v=DKIM1; h=sha1; ${keyTags(rsa)}`,
  'other._domainkey.example.org': `v=DKIM1; s=tlsrpt; ${keyTags(rsa)}`,
  'version._domainkey.example.org': `v=DKIM9; ${keyTags(rsa)}`,
};
const ZONES = Object.fromEntries(Object.entries(KEYS).map(([name, text]) => [name, { TXT: [text] }]));

const pkcs1 = (pair: Pair): string => pair.privateKey.export({ type: 'pkcs1', format: 'pem' }) as string;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-dkim-'));
  // opendkim reads no key that others could change.
  chmodSync(folder, 0o700);
  writeFileSync(join(folder, 'rsa'), pkcs1(rsa), { mode: 0o600 });
  // That of python3-dkim is the bare seed.
  const seed = ed25519.privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(-32);
  writeFileSync(join(folder, 'seed'), seed.toString('base64'), { mode: 0o600 });
  writeFileSync(join(folder, 'ed25519'), pem(ed25519), { mode: 0o600 });
  const lines = Object.entries(KEYS).map(([name, text]) => `${name} ${text}\n`);
  writeFileSync(join(folder, 'keys'), lines.join(''), { mode: 0o600 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const now = (): number => Date.now();

async function signedByUs(message: string, selector: 's1' | 's2', canonicalization: string): Promise<string> {
  const config = {
    'dkim/example.org/selector': selector,
    'dkim/example.org/private': pem(selector === 's1' ? rsa : ed25519),
  };
  const { ask, session } = testPlugin(dkimsign, {
    config,
    options: `canonicalization ${canonicalization}`,
    clock: new TestClock(now() - 60_000),
    client: { relayClient: true },
  });
  session.begin({ from: '<ann@example.org>', message });
  await ask('queue_pre');
  return session.content;
}

const judgedByUs = async (message: string): Promise<string> =>
  outcomes(await verified(Buffer.from(message, 'latin1'), ZONES, { now: now() })).join(', ');

const MESSAGE =
  'From: Ann  <ann@example.org>\r\nTo: bob@example.net\r\nSubject: a\r\n folded \t subject\r\n' +
  'Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n One  \t line \r\nand  another\r\n\r\n\r\n';

function opendkim(lines: readonly string[], message: string, ...detail: readonly string[]): string {
  const conf = join(folder, 'conf');
  writeFileSync(conf, ['Syslog no', 'RequireSafeKeys no', ...lines, ''].join('\n'), { mode: 0o600 });
  writeFileSync(join(folder, 'message'), message, 'latin1');
  const { stdout, stderr, status } = spawnSync(
    'opendkim',
    ['-x', conf, '-f', '-t', join(folder, 'message'), ...detail],
    { encoding: 'latin1' },
  );
  expect(status, stderr).toBe(0);
  return stdout;
}

describeWith('opendkim', 'opendkim')('opendkim', () => {
  test.each(CANONICALIZATIONS)('signs and we verify, and the reverse: %s', async (canonicalization) => {
    for (const [selector, algorithm, key] of [
      ['s1', 'rsa-sha256', 'rsa'],
      ['s2', 'ed25519-sha256', 'ed25519'],
    ] as const) {
      const said = opendkim(
        [
          'Mode s',
          'Domain example.org',
          `Selector ${selector}`,
          `KeyFile ${join(folder, key)}`,
          `SignatureAlgorithm ${algorithm}`,
          `Canonicalization ${canonicalization}`,
          'OversignHeaders From',
        ],
        MESSAGE,
        '-v',
      );
      const [, field = ''] = /^(DKIM-Signature: .*(?:\n[ \t].*)*)$/m.exec(said.replace(/\r\n/g, '\n')) ?? [];
      const theirs = `${field.replace(/\n/g, '\r\n')}\r\n${MESSAGE}`;
      const verify = ['Mode v', `TestPublicKeys ${join(folder, 'keys')}`];
      // What it makes with Ed25519 and a simple header it does not take itself: RFC 6376 section 3.7 is not kept there.
      if (algorithm === 'ed25519-sha256' && canonicalization.startsWith('simple'))
        expect(opendkim(verify, theirs, '-v', '-v')).not.toMatch(/^\s*dkim=pass/m);
      else {
        expect(await judgedByUs(theirs), algorithm).toBe('pass');
        expect(await judgedByUs(theirs.replace('another', 'other')), algorithm).toMatch(/^fail/);
      }

      const ours = await signedByUs(MESSAGE, selector, canonicalization);
      expect(opendkim(verify, ours, '-v', '-v')).toMatch(/^\s*dkim=pass .*header\.d=example\.org/m);
      expect(opendkim(verify, ours.replace('another', 'other'), '-v', '-v')).not.toMatch(/^\s*dkim=pass/m);
    }
  });
});

describeWith('opendkim', 'opendkim')('the daemon', () => {
  const workplace = new Workplace({ plugins: '' });
  let daemon: RunningDaemon | undefined;
  afterAll(async () => {
    await daemon?.end();
    workplace.remove();
  });

  /** Makes a key as an operator does; the record that was printed. */
  function makeKey(...words: readonly string[]): string {
    const args = ['dkim-key', ...words, '--config', workplace.config];
    const { stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8' });
    expect(stderr).toBe('');
    return [...stdout.matchAll(/^ {4}"(.*)"$/gm)].map(([, text]) => text).join('');
  }

  /** Sends a message, and returns it as the mailbox has it. */
  async function deliver(): Promise<string> {
    const before = new Set(workplace.names('new'));
    const client = new TestClient(connect(daemon!.port, '127.0.0.1'));
    await client.reply();
    for (const text of [
      'EHLO c.example',
      'MAIL FROM:<ann@mail.example.org>',
      'RCPT TO:<u@example.test>',
      'DATA',
    ])
      await client.say(text);
    expect(await client.say('From: ann@mail.example.org\r\nSubject: a\r\n\r\nx \r\n.')).toMatch(/^250 /);
    await client.say('QUIT');
    const [name = ''] = workplace.names('new').filter((each) => !before.has(each));
    return readFileSync(join(workplace.maildir, 'new', name), 'latin1').replace(/\n/g, '\r\n');
  }

  function judged(message: string, record: string, selector: string): string {
    writeFileSync(join(folder, 'made'), `${selector}._domainkey.example.org ${record}\n`, { mode: 0o600 });
    return opendkim(['Mode v', `TestPublicKeys ${join(folder, 'made')}`], message, '-v', '-v');
  }

  test('signs with the key that dkim-key made, and with another one once its line is written', async () => {
    const first = makeKey('example.org', 'a1');
    workplace.write({
      plugins: `relay\ndkimsign\nrcpt_ok\nqueue/maildir ${workplace.maildir}`,
      relayclients: '127.0.0.1',
    });
    daemon = await RunningDaemon.start(workplace);
    expect(judged(await deliver(), first, 'a1')).toMatch(/^\s*dkim=pass .*header\.s=a1/m);

    const second = makeKey('example.org', 'b2', '--type', 'ed25519');
    expect(judged(await deliver(), first, 'a1')).toMatch(/^\s*dkim=pass .*header\.s=a1/m);
    const selectorFile = join(workplace.config, 'dkim/example.org/selector');
    writeFileSync(`${selectorFile}.new`, 'b2 private-b2\n');
    renameSync(`${selectorFile}.new`, selectorFile);
    await expect
      .poll(async () => judged(await deliver(), second, 'b2'))
      .toMatch(/^\s*dkim=pass .*header\.s=b2/m);
  });
});

interface Order {
  readonly do: 'verify' | 'sign';
  readonly message: string;
  readonly [more: string]: unknown;
}

interface Answer {
  readonly result: string;
  readonly reason: string;
  readonly message: string;
}

function ask(command: readonly [string, ...string[]], orders: readonly Order[]): readonly Answer[] {
  const lines = orders.map((order) =>
    JSON.stringify({
      keys: KEYS,
      ...order,
      message: Buffer.from(order.message, 'latin1').toString('base64'),
    }),
  );
  const [program, ...args] = command;
  const { stdout, stderr } = spawnSync(program, args, {
    input: `${lines.join('\n')}\n`,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const answers = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Answer);
  expect(answers.length, stderr).toBe(orders.length);
  return answers;
}

const PYTHON: [string, string] = ['/usr/bin/python3', join(ORACLES, 'python-dkim.py')];
const PERL: [string, string] = ['perl', join(ORACLES, 'mail-dkim.pl')];

/** Chance of one seed: the same messages in every run. */
const random = randomNumbers(6_376);
const below = (count: number): number => Math.floor(random() * count);
const one = <T>(of: readonly T[]): T => of[below(of.length)]!;
const some = (pieces: readonly string[], most: number): string =>
  Array.from({ length: below(most) }, () => one(pieces)).join('');

function randomMessage(): string {
  const words = ['a', 'b c', 'word', ' ', '  ', '\t', '=?utf-8?q?=C3=A4?='];
  const value = (): string => `x${some(words, 6)}${below(3) === 0 ? `\r\n ${some(words, 4)}y` : ''}`;
  const fields = ['To: bob@example.net', `Subject: ${value()}`, `X-Other:${value()}`, `Date: ${value()}`];
  const more = below(2) === 0 ? [`Received: ${value()}`, `Received: ${value()}`] : [];
  const header = [...more, 'From: Ann <ann@example.org>', ...fields.filter(() => below(4) > 0)];
  const body = some(['line', 'two  words', ' ', '\t', ' \r\n', '\r\n', '\r\n\r\n', '.', 'x'.repeat(90)], 30);
  return `${header.join('\r\n')}\r\n\r\n${body}${body.endsWith('\r\n') ? '' : '\r\n'}`;
}

/** What may happen to a message on its way. The first ones leave a relaxed signature whole, or any. */
const CHANGES: readonly ((message: string) => string)[] = [
  (message) => message,
  (message) => `Received: by relay.example\r\n${message}`,
  (message) => `${message}\r\n\r\n`,
  (message) => message.replace('From: ', 'from:   '),
  (message) => `${message}more\r\n`,
  (message) => message.replace('ann@example.org', 'eve@example.org'),
  (message) => message.replace('To: bob', 'To: eve'),
  (message) => message.replace(/([ \t]b=..)/, '$1A'),
  (message) => message.replace(/\r\n\r\n[^]*/, '\r\n\r\n'),
];

const TAGS: readonly Readonly<Record<string, string | undefined>>[] = [
  {},
  { h: 'from:from:to:to:subject' },
  { i: '@mail.example.org' },
  { i: '@example.net' },
  { v: '2' },
  { a: 'rsa-sha512' },
  { d: undefined },
  { h: 'to:subject' },
  { h: 'From : To : X-None' },
  { q: 'dns/txt' },
  { t: '1700000000', x: '1800000000' },
  { s: 'none' },
  { s: 'revoked' },
  { s: 'strict' },
  { s: 'strict', i: '@mail.example.org' },
  { s: 'hashes' },
  { s: 'other' },
  { s: 'version' },
  { x: '1600000000', t: '1500000000' },
  { l: '1' },
  { s: 's2' },
];

interface Case {
  readonly what: string;
  readonly message: string;
}

async function generatedCases(): Promise<readonly Case[]> {
  const cases: Case[] = [];
  for (let count = 0; count < 96; count++) {
    const canonicalization = CANONICALIZATIONS[count % 4]!;
    const selector = count % 8 < 4 ? 's1' : 's2';
    const change = below(CHANGES.length);
    const signed = await signedByUs(randomMessage(), selector, canonicalization);
    cases.push({
      what: `${selector} ${canonicalization} change ${change}`,
      message: CHANGES[change]!(signed),
    });
  }
  for (const tags of TAGS)
    for (const pair of [rsa, ed25519]) {
      const s = pair === rsa ? 's1' : 's2';
      const algorithm = pair === rsa ? 'rsa' : 'ed25519';
      if (pair === ed25519 && tags['s'] !== undefined) continue;
      const message = withSignature(randomMessage(), pair, { s, ...tags });
      cases.push({ what: `${algorithm} ${JSON.stringify(tags)}`, message });
    }
  cases.push({ what: 'a key of 768 bits', message: withSignature(randomMessage(), small, { s: 'small' }) });
  cases.push({
    what: 'two From fields',
    message: `From: eve@example.net\r\n${withSignature(randomMessage(), rsa)}`,
  });
  return cases;
}

/** Where another one says pass and we do not, or the reverse, and the section that we go by. */
const DIFFERENCES: readonly {
  readonly who: 'python' | 'perl';
  readonly what: RegExp;
  readonly section: string;
}[] = [
  // It knows RSA alone.
  { who: 'perl', what: /^(s2|ed25519) /, section: 'RFC 8463 section 3' },
  // From has to be signed.
  { who: 'python', what: /"h":"to:subject"/, section: 'RFC 6376 section 5.4' },
  { who: 'perl', what: /"h":"to:subject"/, section: 'RFC 6376 section 5.4' },
  // t=s: i= may not be of a subdomain.
  { who: 'python', what: /"s":"strict","i":"@mail/, section: 'RFC 6376 section 3.6.1, t=' },
  // The key is for SHA-1 alone.
  { who: 'python', what: /"s":"hashes"/, section: 'RFC 6376 section 3.6.1, h=' },
  // Below what is signed anybody may write.
  { who: 'python', what: /"l":"1"/, section: 'RFC 6376 section 8.2' },
  { who: 'perl', what: /"l":"1"/, section: 'RFC 6376 section 8.2' },
  { who: 'perl', what: /^a key of 768 bits/, section: 'RFC 8301 section 3.2' },
  { who: 'perl', what: /^two From fields/, section: 'RFC 6376 section 8.15' },
];

const passes = (result: string): boolean => result === 'pass';

describeWith('/usr/bin/python3', 'python3-dkim')('python3-dkim and libmail-dkim-perl', () => {
  test('agree with us on generated messages, but for what a section of an RFC explains', async () => {
    const cases = await generatedCases();
    expect(cases.length).toBeGreaterThanOrEqual(120);
    const orders = cases.map(({ message }): Order => ({ do: 'verify', message }));
    const said = { python: ask(PYTHON, orders), perl: ask(PERL, orders) };
    const used = new Set<string>();
    const unexplained: string[] = [];
    let passed = 0;
    for (const [index, { what, message }] of cases.entries()) {
      const ours = await judgedByUs(message);
      if (passes(ours)) passed++;
      for (const who of ['python', 'perl'] as const) {
        const { result, reason } = said[who][index]!;
        if (passes(result) === /^pass/.test(ours)) continue;
        const reasons = DIFFERENCES.filter((each) => each.who === who && each.what.test(what));
        for (const { section } of reasons) used.add(`${who} ${section}`);
        if (reasons.length === 0) unexplained.push(`${what}: ours ${ours}, ${who} ${result} (${reason})`);
      }
    }
    expect(unexplained).toEqual([]);
    expect(passed).toBeGreaterThan(30);
    expect(
      DIFFERENCES.map(({ who, section }) => `${who} ${section}`).filter((each) => !used.has(each)),
    ).toEqual([]);
  });

  test('sign and we verify, in all forms', async () => {
    for (const [command, keys] of [
      [
        PYTHON,
        [
          ['s1', 'rsa-sha256', 'rsa'],
          ['s2', 'ed25519-sha256', 'seed'],
        ],
      ],
      [PERL, [['s1', 'rsa-sha256', 'rsa']]],
    ] as const)
      for (const [selector, algorithm, keyFile] of keys) {
        const orders = Array.from({ length: 24 }, (_, index): Order => ({
          do: 'sign',
          message: randomMessage(),
          domain: 'example.org',
          selector,
          algorithm,
          keyFile: join(folder, keyFile),
          canonicalization: CANONICALIZATIONS[index % 4],
        }));
        const answers = ask(command, orders);
        for (const [index, { message }] of answers.entries()) {
          const signed = Buffer.from(message, 'base64').toString('latin1');
          const what = `${command[1]} ${algorithm} ${String(orders[index]!['canonicalization'])}\n${signed}`;
          expect(await judgedByUs(signed), what).toBe('pass');
          expect(await judgedByUs(signed.replace('Ann', 'Eve')), what).toMatch(/^fail/);
        }
      }
  });
});
