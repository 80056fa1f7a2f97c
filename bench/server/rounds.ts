/** The interleaved run of one workload: every server in every round, each round begun by another one. */

import { neededExtensions } from '../load/plan.ts';
import type { Peer } from '../peers/peer.ts';
import type { Cell, Gap } from '../results.ts';
import { rotate } from '../statistics.ts';
import { LoadError } from './generator.ts';
import { cellOf, findAmount, measure, type Subject } from './measure.ts';
import type { Stage } from './stage.ts';
import type { Amount, Workload } from './workloads.ts';

export interface RoundsOptions {
  readonly rounds: number;
  readonly amount: Amount;
  readonly note: (text: string) => void;
}

export interface RoundsOutcome {
  readonly cells: readonly Cell[];
  readonly gaps: readonly Gap[];
}

interface Entrant extends Subject {
  readonly messages: number;
}

/** Runs a workload on every peer that offers what it needs; who cannot do it is a gap with a reason. */
export async function runWorkload(
  stage: Stage,
  workload: Workload,
  options: RoundsOptions,
): Promise<RoundsOutcome> {
  const cells: Cell[] = [];
  const gaps: Gap[] = [];
  const entrants: Entrant[] = [];
  const leave = (server: string, error: unknown): void => {
    gaps.push({
      workload: workload.id,
      server,
      reason: error instanceof Error ? error.message : String(error),
    });
  };
  for (const peer of stage.peers.filter((each) => takesPart(each, workload))) {
    try {
      entrants.push(await admit(stage, peer, workload, options.amount));
    } catch (error) {
      leave(peer.name, error);
    }
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const entrant of rotate(entrants, round)) {
      try {
        const cell = cellOf(
          workload,
          entrant.name,
          round,
          await measure(entrant, workload, entrant.messages),
        );
        cells.push(cell);
        options.note(showCell(cell, round));
      } catch (error) {
        if (!(error instanceof LoadError)) throw error;
        leave(entrant.name, `round ${round + 1}: ${error.message}`);
      }
    }
  }
  return { cells, gaps };
}

function takesPart({ offers, isOnlyFor }: Peer, { id, needs }: Workload): boolean {
  return offers.includes(needs) && (isOnlyFor === undefined || isOnlyFor.includes(id));
}

async function admit(stage: Stage, peer: Peer, workload: Workload, amount: Amount): Promise<Entrant> {
  const server = await stage.server(peer, workload.needs);
  const lacking = neededExtensions({ ...workload.plan, port: 0, messages: 0, sessions: 0 }).filter(
    (keyword) => !server.extensions.has(keyword),
  );
  if (lacking.length > 0) throw new LoadError(`does not offer ${lacking.join(', ')}`);
  const wanted =
    workload.isGreetingBound && peer.saturatedBy !== undefined ? peer.saturatedBy : workload.sessions;
  const sessions = Math.min(wanted, peer.maxSessions ?? wanted);
  const subject: Subject = { name: peer.name, server, sessions, generatorCore: stage.generatorCore };
  return { ...subject, messages: await findAmount(subject, workload, amount) };
}

function showCell({ workload, server, messages, cpuSeconds, seconds }: Cell, round: number): string {
  const cost = ((cpuSeconds / messages) * 1e6).toFixed(0);
  const rate = (messages / seconds).toFixed(0);
  return `${workload}  round ${round + 1}  ${server.padEnd(16)} ${cost.padStart(8)} us CPU a message  ${rate.padStart(7)} messages/s`;
}
