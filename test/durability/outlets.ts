/** The outlets whose 250 has to be durable. */

import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { messagesOf, RunningDaemon, Workplace } from '../integration/daemon.ts';
import { missingDovecot, startDovecot } from '../integration/receivers/dovecot.ts';
import { missingPostfix, startPostfix } from '../integration/receivers/postfix.ts';
import type { Receiver } from '../integration/receivers/receiver.ts';
import type { DurableOutlet } from './rounds.ts';

export interface OutletUnderTest {
  readonly name: string;
  /** Why it cannot be tested here. */
  readonly missing: () => string | undefined;
  /** All it promises is kept on one disk, whose power can be cut. */
  readonly isOnDisk?: boolean;
  /** `disk`: where the daemon is to keep its files, instead of in its workplace. */
  readonly prepare: (disk?: string) => Promise<DurableOutlet>;
}

const SPOOL_MS = 60_000;
/** Small enough that a tenth of the messages goes to disk while it arrives. */
const FILES = { size_threshold: '50000', loglevel: '3' };
const ONE = ['u@example.test'];

const nothingMissing = (): undefined => undefined;

function plugins(workplace: Workplace, ...lines: string[]): void {
  workplace.write({ plugins: ['rcpt_ok', ...lines].join('\n') });
}

async function maildir(disk?: string): Promise<DurableOutlet> {
  const workplace = workplaceOn(disk);
  const box = join(disk ?? workplace.folder, 'Maildir');
  plugins(workplace, `queue/maildir ${box}`);
  const delivered = () => Promise.resolve(messagesOf(box));
  const close = async (): Promise<void> => workplace.remove();
  return Promise.resolve({ workplace, recipients: ONE, copies: 1, delivered, close });
}

function workplaceOn(disk: string | undefined): Workplace {
  const workplace = new Workplace(FILES);
  if (disk !== undefined) workplace.write({ spool_dir: join(disk, 'spool') });
  return workplace;
}

/** Two recipients of two outlets: each message has two copies, or the client has not read 250. */
async function routes(): Promise<DurableOutlet> {
  const workplace = new Workplace(FILES);
  const boxes = [join(workplace.folder, 'one'), join(workplace.folder, 'two')];
  workplace.write({
    rcpthosts: 'one.test\ntwo.test',
    routes: `one.test maildir ${boxes[0]}\n* maildir ${boxes[1]}`,
  });
  plugins(workplace, 'queue/routes');
  return Promise.resolve({
    workplace,
    recipients: ['u@one.test', 'u@two.test'],
    copies: 2,
    delivered: () => Promise.resolve(boxes.flatMap(messagesOf)),
    close: async () => workplace.remove(),
  });
}

/** A spool in front of a Maildir: what was acknowledged may be in either when the kill comes, and must get to the latter. */
async function spool(disk?: string): Promise<DurableOutlet> {
  const workplace = workplaceOn(disk);
  const [folder, box] = ['outgoing', 'Maildir'].map((name) => join(disk ?? workplace.folder, name)) as [
    string,
    string,
  ];
  plugins(workplace, `queue/spool ${folder} first_retry 1 longest_retry 2 via maildir ${box}`);
  return Promise.resolve({
    workplace,
    recipients: ONE,
    copies: 1,
    async delivered() {
      await settles(() => Promise.resolve(messagesOf(box).length));
      return messagesOf(box);
    },
    close: async () => workplace.remove(),
  });
}

/** Waits until `count` has stayed the same for three seconds. */
async function settles(count: () => Promise<number>): Promise<void> {
  let last = -1;
  let since = Date.now();
  for (const deadline = Date.now() + SPOOL_MS; Date.now() < deadline; await pause(200)) {
    const now = await count();
    if (now !== last) since = Date.now();
    else if (Date.now() - since > 3_000) return;
    last = now;
  }
}

/** A real server behind the daemon, which is killed now and then as well. */
async function behind(receiver: Receiver, line: string): Promise<DurableOutlet> {
  const workplace = new Workplace(FILES);
  plugins(workplace, line);
  return Promise.resolve({
    workplace,
    recipients: ONE,
    copies: 1,
    delivered: () => receiver.messages(),
    async killHop() {
      await receiver.kill();
      await receiver.restart();
    },
    async close() {
      await receiver.stop();
      workplace.remove();
    },
  });
}

async function lmtp(): Promise<DurableOutlet> {
  const receiver = await startDovecot();
  return behind(receiver, `queue/lmtp unix:${receiver.socket}`);
}

async function smtp(): Promise<DurableOutlet> {
  const receiver = await startPostfix();
  return behind(receiver, `queue/smtp-forward 127.0.0.1 ${receiver.port}`);
}

/** This daemon behind itself. */
async function chain(): Promise<DurableOutlet> {
  const inner = new Workplace({ ...FILES, me: 'inner.test' });
  const workplace = new Workplace(FILES);
  let hop = await RunningDaemon.start(inner);
  const { port } = hop;
  plugins(workplace, `queue/smtp-forward 127.0.0.1 ${port}`);
  return {
    workplace,
    recipients: ONE,
    copies: 1,
    delivered: () => Promise.resolve(inner.delivered()),
    async killHop() {
      await hop.end('SIGKILL');
      hop = await RunningDaemon.start(inner, { port });
    },
    async close() {
      await hop.end();
      for (const place of [inner, workplace]) place.remove();
    },
  };
}

export const OUTLETS: readonly OutletUnderTest[] = [
  { name: 'maildir', missing: nothingMissing, prepare: maildir, isOnDisk: true },
  { name: 'routes', missing: nothingMissing, prepare: routes },
  { name: 'spool', missing: nothingMissing, prepare: spool, isOnDisk: true },
  { name: 'chain', missing: nothingMissing, prepare: chain },
  { name: 'lmtp', missing: missingDovecot, prepare: lmtp },
  { name: 'smtp', missing: missingPostfix, prepare: smtp },
];
