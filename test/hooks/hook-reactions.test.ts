/** docs/reference/hooks.md tells what becomes of each verdict: whatever has a reply, or none at all, is played here. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { declined, definePlugin, ok, type Verdict } from '../../bindings/plugin/index.ts';
import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import { reactionRows } from '../../host/reference/reference-tables.ts';
import { TestServer, type TestClient } from '../../host/testing/index.ts';

const HELLO = ['EHLO client.example'];
const MAIL = [...HELLO, 'MAIL FROM:<a@b.example>'];
const RCPT = [...MAIL, 'RCPT TO:<c@d.example>'];
const MESSAGE = [...RCPT, 'DATA', 'Subject: x\r\n\r\nx\r\n.'];
const LOGIN = [...HELLO, `AUTH PLAIN ${Buffer.from('\0u\0p').toString('base64')}`];

/** What a client says until the hook is asked; the reply to the last line is the one that counts. */
const DIALOGUES: Readonly<Record<string, readonly string[]>> = {
  'pre-connection': [],
  connect: [],
  helo_parse: ['HELO client.example'],
  ehlo_parse: HELLO,
  helo: ['HELO client.example'],
  ehlo: HELLO,
  auth_parse: LOGIN,
  'auth-plain': LOGIN,
  auth: LOGIN,
  mail_parse: MAIL,
  mail: MAIL,
  rcpt_parse: RCPT,
  rcpt: RCPT,
  data: [...RCPT, 'DATA'],
  data_headers_end: MESSAGE,
  data_post: MESSAGE,
  queue_pre: MESSAGE,
  queue: MESSAGE,
  vrfy: ['VRFY a'],
  noop: ['NOOP'],
  help: ['HELP'],
  quit: ['QUIT'],
  unrecognized_command: ['FOO'],
};
/** The same table as that of AUTH PLAIN. */
const OTHER_MECHANISMS = /^auth-(?!plain)|^auth_scram_salt$/;

interface Case {
  readonly hook: string;
  readonly name: keyof typeof ReturnCode;
  /** What the reply begins with; undefined for none. */
  readonly reply: RegExp | undefined;
  readonly isClosed: boolean;
}

const CODES = Object.keys(ReturnCode) as Case['name'][];

/** Rows with a reply, and those of DONE, one for each return code; what has no row is taken for DECLINED. */
const CASES = Object.keys(DIALOGUES).flatMap((hook): Case[] => {
  const rows = reactionRows().map((row) => row.slice(2, -2).split(' | '));
  const own = rows.filter(([name]) => name === `\`${hook}\``);
  const rowOf = (code: string) => own.find(([, names]) => names!.split(', ').includes(code));
  return CODES.flatMap((name) => {
    const [, , code = '', texts = '', effect = ''] = rowOf(name) ?? rowOf('DECLINED')!;
    if (code === '' && (name !== 'DONE' || rowOf(name) === undefined)) return [];
    const text = /^`(.*?)`/.exec(texts)?.[1] ?? '';
    const pattern = text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/%\d/g, '.*');
    const reply = code === '' ? undefined : new RegExp(`^${code.slice(0, 3)}[ -]${pattern}`);
    return [{ hook, name, reply, isClosed: effect.startsWith('the connection is closed') }];
  });
});

let server: TestServer;
let asked: { hook: string; verdict: Verdict };
const answer = (hook: string, usual: Verdict = declined) => ({
  [hook]: () => (asked.hook === hook ? asked.verdict : usual),
});

beforeAll(async () => {
  const hooks = Object.assign(
    {},
    ...Object.keys(DIALOGUES).map((hook) => answer(hook)),
    answer('rcpt', ok()),
    answer('queue', ok()),
  ) as object;
  const plugin = definePlugin({ name: 'says', about: '', hooks });
  server = await TestServer.start({ plugins: [plugin], config: { auth_delay: '0', auth_failures: '1000' } });
});
afterAll(() => server.close());

/** The reply that counts: that to the connection, or to the last line. */
async function play(lines: readonly string[]): Promise<{ client: TestClient; reply: () => Promise<string> }> {
  const client = server.connect();
  const last = lines.at(-1);
  if (last === undefined) return { client, reply: () => client.reply() };
  await client.reply();
  for (const line of lines.slice(0, -1)) await client.say(line);
  client.send(`${last}\r\n`);
  return { client, reply: () => client.reply() };
}

describe('verdicts are answered as the reference says', () => {
  test.each(CASES.map((each) => [each.hook, each.name, each] as const))(
    '%s: %s',
    async (hook, name, { reply: expected, isClosed }) => {
      asked = { hook, verdict: { ...declined, code: ReturnCode[name] } };
      const { client, reply } = await play(DIALOGUES[hook]!);
      if (expected !== undefined) expect(await reply()).toMatch(expected);
      if (isClosed) expect([await reply(), await client.isClosed()]).toEqual(['', true]);
      // What has no reply leaves the next command as the next that is answered.
      else if (expected === undefined) expect(await client.say('RSET')).toBe('250 OK');
      client.destroy();
    },
  );

  test('no hook that is answered is left out', () => {
    expect(CASES.length).toBeGreaterThan(100);
    const answered = reactionRows().flatMap((row) => /^\| `(\S+)` \| .* \| \d{3} /.exec(row)?.[1] ?? []);
    const others = answered.filter((hook) => !OTHER_MECHANISMS.test(hook));
    expect([...new Set(others)].sort()).toEqual(Object.keys(DIALOGUES).sort());
  });
});
