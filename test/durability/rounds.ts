/** Rounds in which clients send and are struck; afterwards what was acknowledged is looked for. */

import { setTimeout as pause } from 'node:timers/promises';
import { RunningDaemon, type Workplace } from '../integration/daemon.ts';
import type { PowerDisk } from './power-disk.ts';
import { nameOfWhole, Sender } from './sender.ts';

/** One way of delivering, ready to be used. */
export interface DurableOutlet {
  readonly workplace: Workplace;
  readonly recipients: readonly string[];
  /** Copies each message leaves when all goes well. */
  readonly copies: number;
  /** Everything delivered so far, once nothing is on its way any more; `daemon` runs meanwhile. */
  delivered(daemon: RunningDaemon): Promise<Buffer[]>;
  /** Kills what is behind the daemon and starts it again; undefined if nothing is. */
  readonly killHop?: (() => Promise<void>) | undefined;
  close(): Promise<void>;
}

export interface RoundsResult {
  readonly rounds: number;
  /** Rounds that acknowledged nothing, and so have proved nothing. */
  readonly emptyRounds: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly delivered: number;
  /** Messages that were acknowledged and have fewer copies than they should. */
  readonly lost: readonly string[];
  /** Files that are none of the messages, or not whole. */
  readonly damaged: number;
  /** Copies beyond those wanted: a client or the spool could not know that the first had arrived. */
  readonly duplicates: number;
  /** Messages that were delivered without having been acknowledged. */
  readonly unacknowledged: number;
}

const CLIENTS = 8;
/** Every so many rounds the hop is killed while the daemon goes on. */
const HOP_EVERY = 4;

/** For the first message of a round; the machine may have other work. */
const PATIENCE_MS = 30_000;
/** How long a daemon goes on at most with a disk that takes nothing any more. */
const WITHOUT_POWER_MS = 200;

/** Kills the daemon in each round, or what is behind it in every fourth. */
export function runKillRounds(outlet: DurableOutlet, rounds: number): Promise<RoundsResult> {
  return runRounds(outlet, rounds, async (daemon, round) => {
    if (outlet.killHop !== undefined && round % HOP_EVERY === HOP_EVERY - 1) {
      await outlet.killHop();
      await pause(100);
    }
    await daemon.end('SIGKILL');
  });
}

/** Cuts the power of the disk in each round; the daemon notices, and dies a moment later. */
export function runPowerRounds(
  outlet: DurableOutlet,
  disk: PowerDisk,
  rounds: number,
): Promise<RoundsResult> {
  return runRounds(outlet, rounds, async (daemon) => {
    await disk.cut();
    await pause(Math.random() * WITHOUT_POWER_MS);
    await daemon.end('SIGKILL');
    disk.restore();
  });
}

async function runRounds(
  outlet: DurableOutlet,
  rounds: number,
  strike: (daemon: RunningDaemon, round: number) => Promise<void>,
): Promise<RoundsResult> {
  const acknowledged: string[] = [];
  let refused = 0;
  let emptyRounds = 0;
  for (let round = 0; round < rounds; round++) {
    const daemon = await RunningDaemon.start(outlet.workplace);
    const senders = Array.from(
      { length: CLIENTS },
      (_, client) => new Sender(daemon.port, `${round}-${client}`, outlet.recipients),
    );
    const countAcknowledged = (): number =>
      senders.reduce((sum, sender) => sum + sender.acknowledged.length, 0);
    for (const end = Date.now() + PATIENCE_MS; countAcknowledged() === 0 && Date.now() < end;) await pause(5);
    await pause(Math.random() * 300);
    await strike(daemon, round);
    await Promise.all(senders.map(({ finished }) => finished));
    if (countAcknowledged() === 0) emptyRounds++;
    for (const sender of senders) {
      acknowledged.push(...sender.acknowledged);
      refused += sender.refused;
    }
  }
  const last = await RunningDaemon.start(outlet.workplace);
  try {
    const messages = await outlet.delivered(last);
    return { rounds, emptyRounds, refused, ...compare(acknowledged, messages, outlet.copies) };
  } finally {
    await last.end();
  }
}

function compare(
  acknowledged: readonly string[],
  messages: readonly Buffer[],
  copies: number,
): Omit<RoundsResult, 'rounds' | 'emptyRounds' | 'refused'> {
  const found = new Map<string, number>();
  let damaged = 0;
  for (const message of messages) {
    const name = nameOfWhole(message);
    if (name === undefined) damaged++;
    else found.set(name, (found.get(name) ?? 0) + 1);
  }
  const known = new Set(acknowledged);
  return {
    acknowledged: acknowledged.length,
    delivered: messages.length,
    lost: acknowledged.filter((name) => (found.get(name) ?? 0) < copies),
    damaged,
    duplicates: [...found.values()].reduce((sum, count) => sum + Math.max(0, count - copies), 0),
    unacknowledged: [...found.keys()].filter((name) => !known.has(name)).length,
  };
}

/** What was acknowledged is there and whole, and every round has acknowledged something. */
export const isDurable = ({ rounds, emptyRounds, acknowledged, lost, damaged }: RoundsResult): boolean =>
  rounds > 0 && emptyRounds === 0 && acknowledged > 0 && lost.length === 0 && damaged === 0;

/** One line. */
export const printResult = (name: string, result: RoundsResult): string =>
  `${name}: ${result.rounds} rounds, ${result.acknowledged} acknowledged, ${result.refused} put off, ` +
  `${result.delivered} delivered, ${result.lost.length} lost, ${result.damaged} damaged, ` +
  `${result.duplicates} duplicates, ${result.unacknowledged} delivered without acknowledgement` +
  (result.emptyRounds === 0 ? '' : `, ${result.emptyRounds} rounds acknowledged nothing`);
