import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runQueue } from '../../../host/cli/queue-command.ts';
import { runGuarded } from '../../../host/cli/program.ts';
import type { DaemonLoader } from '../../../host/process/daemon.ts';
import { folder } from '../../message/folder.ts';
import { deferred, delivered, refused, unreachable, type FakeOutlet } from './fake-outlet.ts';
import { drain, givenSpool, mailWith } from './given-spool.ts';

const noLoader = {} as DaemonLoader;

async function queue(...words: string[]): Promise<{ code: number; out: string[]; err: string[] }> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal = { out: (line: string) => void out.push(line), err: (line: string) => void err.push(line) };
  const code = await runGuarded((args, to) => runQueue(args, noLoader, to), words, terminal);
  return { code, out, err };
}

/** A spool whose process has ended, with one message that waits. */
async function waiting(answer: FakeOutlet['answer'] = () => deferred) {
  const given = givenSpool();
  given.clock.ms = Date.now();
  given.outlet.answer = answer;
  const text = 'Subject: h\u001b[31mi\r\n\r\nbody\r\n';
  await given.spool.deliver(mailWith({ to: ['a@x.example', 'b@y.example'], text }));
  await drain(given.spool, given.outlet);
  await given.spool.close(0);
  const [id = ''] = readdirSync(join(given.path, 'new'));
  const again = (): ReturnType<typeof givenSpool> => givenSpool({}, { path: given.path, clock: given.clock });
  return { ...given, id, again };
}

interface Listed {
  readonly id: string;
  readonly from: string;
  readonly destinations: readonly {
    readonly destination: string;
    readonly state: string;
    readonly next: string | null;
  }[];
}

const records = async (path: string): Promise<Listed[]> =>
  (await queue('ls', '--spool', path, '--json')).out.map((line) => JSON.parse(line) as Listed);

describe('qpsmtpd queue', () => {
  it('ls prints a row for each destination, for people and for programs', async () => {
    const { path, id } = await waiting((mailbox) => (mailbox === 'a@x.example' ? deferred : unreachable));
    const { out, code } = await queue('ls', '--spool', path);
    expect(code).toBe(0);
    expect(out).toHaveLength(4);
    expect(out[1]).toMatch(
      new RegExp(
        `^${id} +\\d+[sm] +\\d+  in [45]m +<s@c.example> <a@x.example> \\(mx.example 451 4.3.2 not now\\)$`,
      ),
    );
    expect(out[3]).toMatch(/^1 messages, \d+ octets$/);
    const json = await queue('ls', '--spool', path, '--json');
    const record = JSON.parse(json.out.join('')) as { destinations: { to: string[]; attempts: number }[] };
    expect(record).toMatchObject({ id, from: 's@c.example', held: false });
    expect(record.destinations.map(({ to, attempts }) => [...to, attempts])).toEqual([
      ['a@x.example', 1],
      ['b@y.example', 1],
    ]);
  });

  it('show prints envelope, history and header without what a terminal obeys', async () => {
    const { path, id } = await waiting();
    const { out } = await queue('show', id, '--spool', path);
    const text = out.join('\n');
    expect(text).toContain('to       <a@x.example> by x.example: deferred (451 not now)');
    expect(text).toContain('attempt at y.example: deferred 1: mx.example: 451 not now');
    expect(text).toContain('Subject: h?[31mi');
    expect(text).not.toContain('\nbody');
    expect((await queue('show', id, '--spool', path, '--content')).out.join('\n')).toContain('\nbody');
    const json = await queue('show', id, '--spool', path, '--json');
    expect(JSON.parse(json.out[0]!)).toMatchObject({ id, recipients: [{ to: 'a@x.example' }, {}] });
  });

  it('finds the spool in the configuration', async () => {
    const { path, id } = await waiting();
    const config = join(folder(), 'config');
    mkdirSync(config);
    writeFileSync(
      join(config, 'plugins'),
      `rcpt_ok\nqueue/spool first_retry 60 ${path} via smtp-forward /x\n`,
    );
    expect((await queue('ls', '--config', config)).out.join('\n')).toContain(id);
    writeFileSync(join(config, 'plugins'), 'rcpt_ok\n');
    expect((await queue('ls', '--config', config)).err.join('\n')).toContain(
      'no line of config/plugins names',
    );
  });

  it('hold keeps a message from being tried until release', async () => {
    const { path, id, again } = await waiting();
    expect((await queue('hold', id, '--spool', path)).out).toEqual([`${id}: held`]);
    const held = again();
    await held.pass(3 * 3_600_000, 600_000);
    expect(held.outlet.attempts).toBe(0);
    await held.spool.close(0);
    expect((await queue('release', '--all', '--spool', path)).out).toEqual([`${id}: released`]);
    const released = again();
    await drain(released.spool, released.outlet);
    expect(released.outlet.deliveries).toHaveLength(2);
  });

  it.each([['retry'], ['flush']])('%s makes it due at once', async (action) => {
    const { path, id, again } = await waiting(() => unreachable);
    const words = action === 'retry' ? [action, id] : [action];
    expect((await queue(...words, '--spool', path)).out.join()).toContain('will be tried now');
    const { spool, outlet, clock } = again();
    clock.ms = Date.now() + 1;
    outlet.answer = () => delivered;
    await drain(spool, outlet);
    expect(outlet.deliveries).toHaveLength(2);
  });

  it('flush counts what it has tried, and leaves what is held alone', async () => {
    const { path, id, clock } = await waiting(() => unreachable);
    const other = givenSpool({}, { path, clock });
    await other.spool.deliver(mailWith({ to: ['c@z.example'] }));
    await other.spool.close(0);
    expect((await queue('hold', id, '--spool', path)).code).toBe(0);
    const before = await records(path);
    expect((await queue('flush', '--spool', path)).out).toEqual([
      '1 messages will be tried now; 1 is held: release it first',
    ]);
    expect((await records(path)).find((record) => record.id === id)).toEqual(
      before.find((record) => record.id === id),
    );
    const retried = (await queue('retry', '--all', '--spool', path)).out;
    expect(retried).toContain(`${id}: held: release it first`);
    expect(retried.filter((line) => line.endsWith(': will be tried now'))).toHaveLength(1);
    expect((await queue('hold', '--all', '--spool', path)).code).toBe(0);
    expect((await queue('flush', '--spool', path)).out).toEqual([
      '0 messages will be tried now; 2 are held: release them first',
    ]);
  });

  it('ls says when what waits for a destination that is down will be tried', async () => {
    const { path, clock } = await waiting(() => unreachable);
    const other = givenSpool({}, { path, clock });
    await other.spool.deliver(mailWith({ from: 'late@c.example', to: ['c@x.example'] }));
    await other.spool.close(0);
    const all = (await records(path)).flatMap(({ from, destinations }) =>
      destinations.map((destination) => ({ from, ...destination })),
    );
    const [first, late] = ['s@c.example', 'late@c.example'].map((sender) =>
      all.find(({ from, destination }) => from === sender && destination === 'x.example')!,
    );
    expect(first).toMatchObject({ state: 'waiting' });
    // It was never tried itself: why it waits is what the destination said.
    expect(late).toMatchObject({ state: 'waiting', attempts: 0, reply: { code: 451, status: '4.4.1' } });
    expect(Math.abs(Date.parse(late!.next!) - clock.ms - 5 * 60_000)).toBeLessThan(30_000);
    const { out } = await queue('ls', '--spool', path);
    expect(out.find((row) => row.includes('late@c.example'))).toMatch(
      / in [345]m +<late@c\.example> <c@x\.example> \(451 4\.4\.1 connection refused\)$/,
    );
    await queue('flush', '--spool', path);
    expect((await records(path)).flatMap(({ destinations }) => destinations)).toContainEqual(
      expect.objectContaining({ state: 'ready', next: null }),
    );
  });

  it('retry and flush try a report once more that could not leave', async () => {
    const { path, clock } = await waiting(() => refused);
    const [report] = await records(path);
    expect(report).toMatchObject({ from: '', destinations: [{ state: 'kept', to: ['s@c.example'] }] });
    expect((await queue('flush', '--spool', path)).out).toEqual(['2 messages will be tried now']);
    const again = givenSpool({}, { path, clock });
    again.clock.ms += 1_000;
    await drain(again.spool, again.outlet);
    expect(again.outlet.deliveries.map(({ to }) => to)).toEqual([['s@c.example'], ['s@c.example']]);
  });

  it('rm throws a message away', async () => {
    const { path, id } = await waiting();
    expect((await queue('rm', id, '--spool', path)).out).toEqual([`${id}: removed`]);
    expect(readdirSync(join(path, 'new'))).toEqual([]);
    expect((await queue('ls', '--spool', path)).out.at(-1)).toBe('0 messages, 0 octets');
    const again = await queue('rm', id, '--spool', path);
    expect(again.err.join('\n')).toContain(`there is no message ${id}`);
    expect(again.code).not.toBe(0);
  });

  it('check says what it found', async () => {
    const { path, id } = await waiting();
    writeFileSync(join(path, 'new', 'A'.repeat(20)), 'nonsense');
    const { out, err } = await queue('check', '--spool', path);
    expect(out).toEqual([
      '0 files found, 0 entries dropped, 1 files damaged',
      expect.stringMatching(/^1 messages/),
    ]);
    expect(err.join('\n')).toContain('A'.repeat(20));
    expect(readdirSync(join(path, 'damaged'))).toEqual(['A'.repeat(20)]);
    expect(readdirSync(join(path, 'new'))).toEqual([id]);
  });

  it.each([
    [['show', '../../../etc/passwd'], 'is no id'],
    [['rm', `${'A'.repeat(19)}/`], 'is no id'],
    [['rm'], 'give ids, or --all'],
    [['rm', 'A'.repeat(20), '--all'], 'give ids, or --all'],
    [['frobnicate'], 'is no action'],
    [[], 'needs an action'],
    [['ls', 'A'.repeat(20)], 'is not understood'],
  ])('%j is refused: %s', async (words, problem) => {
    const { path } = await waiting();
    const { code, err } = await queue(...words, '--spool', path);
    expect(err.join('\n')).toContain(problem);
    expect(code).not.toBe(0);
  });
});
