/** What docs/guide/srs.md promises, with what the package exports and nothing else. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { defineOutlet, z, type MailObject, type Outlet } from '../../bindings/plugin/index.ts';
import { TestClock, TestServer } from '../../host/testing/index.ts';

const GUIDE = readFileSync(new URL('../../docs/guide/srs.md', import.meta.url), 'utf8');

/** The lines of a block that begins with the name of its file. */
const fileOf = (name: string): string[] =>
  new RegExp(`\`\`\`\n# config/${name}\n(.*?)\`\`\``, 's').exec(GUIDE)![1]!.trim().split('\n');

const KEY = 'first-secret-of-16';
const OLD_KEY = 'second-secret-of-16';
const DAY_MS = 86_400_000;

/** Stands for all ways out of the guide: `kept NAME`, NAME being the first argument of the way out. */
const wayOut = (deliver: (name: string, mail: MailObject) => ReturnType<Outlet['deliver']>) =>
  defineOutlet({
    name: 'queue/kept',
    about: 'Keeps what it is given.',
    options: z.object({ name: z.string() }),
    positional: ['name'],
    outlet: ({ options }) => ({ deliver: (mail) => deliver(options.name, mail) }),
  });

const outcomes = (
  { recipients }: MailObject,
  kind: 'delivered' | 'refused',
): ReturnType<Outlet['deliver']> => {
  const reply = { code: kind === 'delivered' ? 250 : 550, status: undefined, lines: ['kept'] };
  return Promise.resolve(recipients.map(() => ({ kind, reply, hop: undefined })));
};

interface Site {
  say(...lines: readonly string[]): Promise<string>;
  readonly handed: readonly MailObject[];
}

interface SiteOptions {
  readonly keys?: readonly string[];
  readonly nowMs?: number;
  readonly answers?: 'delivered' | 'never';
}

async function withSite(
  { keys = [KEY], nowMs = Date.UTC(2026, 10, 30), answers = 'delivered' }: SiteOptions,
  use: (site: Site, clock: TestClock) => Promise<void>,
): Promise<void> {
  const handed: MailObject[] = [];
  const clock = new TestClock(nowMs);
  const server = await TestServer.start({
    plugins: fileOf('plugins'),
    definitions: [
      wayOut((_, mail) => {
        handed.push(mail);
        return answers === 'never' ? new Promise(() => undefined) : outcomes(mail, 'delivered');
      }),
    ],
    config: {
      me: ['mx.fwd.example'],
      rcpthosts: fileOf('rcpthosts'),
      srs_domains: fileOf('srs_domains'),
      srs_keys: keys,
      routes: fileOf('routes').map((line) => line.replace(/(maildir|smtp-forward) .*/, 'kept $1')),
    },
    clock,
  });
  try {
    const client = await server.greeted();
    const say = async (...lines: readonly string[]): Promise<string> => {
      let reply = '';
      for (const line of lines) reply = await client.say(line);
      return reply;
    };
    await use({ say, handed }, clock);
  } finally {
    await server.close();
  }
}

const message = (from: string, to: string): string[] => [
  'RSET',
  `MAIL FROM:<${from}>`,
  `RCPT TO:<${to}>`,
  'DATA',
  'Subject: x\r\n\r\nx\r\n.',
];

describe('the forwarder of the guide', () => {
  test('hands on in its own name, and leads the bounce back', async () => {
    await withSite({}, async ({ say, handed }) => {
      expect(await say(...message('joe@example.org', 'u@friends.example'))).toMatch(/^250 /);
      const forwarded = handed[0]!.reversePath.mailbox;
      expect(forwarded).toBe('SRS0=v1LK=JT=example.org=joe@fwd.example');
      expect(GUIDE).toContain(forwarded);
      expect(await say(...message('', forwarded))).toMatch(/^250 /);
      expect(handed[1]!.recipients.map(({ address }) => address.mailbox)).toEqual(['joe@example.org']);
      expect(handed[1]!.reversePath.isNull).toBe(true);
    });
  });

  test('leaves alone what stays here, bounces, and senders of its own', async () => {
    await withSite({}, async ({ say, handed }) => {
      for (const [from, to] of [
        ['joe@example.org', 'u@here.example'],
        ['', 'u@friends.example'],
        ['boss@here.example', 'u@friends.example'],
      ] as const) {
        expect(await say(...message(from, to))).toMatch(/^250 /);
        expect(handed.at(-1)!.reversePath.mailbox).toBe(from);
      }
    });
  });

  test('what was forwarded before becomes what the guide says', async () => {
    await withSite({}, async ({ say, handed }) => {
      await say(...message('SRS0=aaaa=bb=src.example=u@one.example', 'u@friends.example'));
      const forwarded = handed[0]!.reversePath.mailbox;
      expect(GUIDE).toContain(`\`${forwarded}\``);
      await say(...message('', forwarded));
      expect(handed[1]!.recipients[0]!.address.mailbox).toBe('SRS0=aaaa=bb=src.example=u@one.example');
    });
  });

  test.each([
    [
      'joe@example.org',
      'SRS0=v1LK=JT=example.org=joe@fwd.example',
      'Only bounces come back by this address (#5.7.1)',
    ],
    ['', 'SRS0=v1LX=JT=example.org=joe@fwd.example', 'SRS address was not made here (#5.1.1)'],
    ['', 'SRS0=nonsense@fwd.example', 'Invalid SRS address (#5.1.1)'],
  ])('refuses mail of <%s> for %s', async (from, to, text) => {
    expect(GUIDE).toContain(text);
    await withSite({}, async ({ say, handed }) => {
      expect(await say(`MAIL FROM:<${from}>`, `RCPT TO:<${to}>`)).toBe(`550 ${text}`);
      expect(handed).toEqual([]);
    });
  });

  test('time and keys pass', async () => {
    let made = '';
    await withSite({ keys: [OLD_KEY] }, async ({ say, handed }) => {
      await say(...message('joe@example.org', 'u@friends.example'));
      made = handed[0]!.reversePath.mailbox;
    });
    const start = Date.UTC(2026, 10, 30);
    const bounce = ['MAIL FROM:<>', `RCPT TO:<${made}>`];
    for (const [keys, days, reply] of [
      [[KEY, OLD_KEY], 20, /^250 /],
      [[KEY, OLD_KEY], 22, /^550 SRS address has expired/],
      [[KEY], 1, /^550 SRS address was not made here/],
    ] as const)
      await withSite({ keys, nowMs: start + days * DAY_MS }, async ({ say }) => {
        expect(await say(...bounce)).toMatch(reply);
      });
  });

  test('a way out that is silent puts the client off, and nothing is lost', async () => {
    await withSite({ answers: 'never' }, async ({ say, handed }, clock) => {
      const reply = say(...message('joe@example.org', 'u@friends.example'));
      while (handed.length === 0) await new Promise((resolve) => setImmediate(resolve));
      clock.advance(600_000);
      expect(await reply).toMatch(/^45\d /);
    });
  });

  test('a spool reports to the sender, not to the rewritten one', async () => {
    const line = /^friends\.example +spool \S+ (.*)$/m.exec(GUIDE)![1]!;
    const directory = mkdtempSync(join(tmpdir(), 'srs-guide-'));
    const [handed, refused]: [MailObject[], MailObject[]] = [[], []];
    const server = await TestServer.start({
      plugins: ['rcpt_ok', `queue/spool ${directory} ${line}`.replaceAll(/smtp-forward (\S+)/g, 'kept $1')],
      definitions: [
        wayOut((name, mail) => {
          const isReport = name === 'mx';
          (isReport ? handed : refused).push(mail);
          return outcomes(mail, isReport ? 'delivered' : 'refused');
        }),
      ],
      config: {
        me: ['mx.fwd.example'],
        rcpthosts: ['friends.example'],
        srs_domains: ['fwd.example'],
        srs_keys: [KEY],
      },
    });
    try {
      const client = await server.greeted();
      for (const command of message('joe@example.org', 'u@friends.example')) await client.say(command);
      await vi.waitFor(() => expect(handed).toHaveLength(1), { timeout: 30_000, interval: 20 });
      expect(refused[0]!.reversePath.mailbox).toMatch(/^SRS0=.*=joe@fwd\.example$/);
      expect(handed[0]!.reversePath.isNull).toBe(true);
      expect(handed[0]!.recipients.map(({ address }) => address.mailbox)).toEqual(['joe@example.org']);
    } finally {
      await server.close();
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test('without a key nothing starts', async () => {
    await expect(withSite({ keys: [] }, () => Promise.resolve())).rejects.toThrow('srs_keys has no key');
  });
});
