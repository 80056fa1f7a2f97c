/** The load generator as a program of its own, so that its work is nobody else's: a plan as JSON in, an outcome out. */

import type { Visit } from './exchange.ts';
import { connectionsOf, scriptOf, type LoadPlan } from './plan.ts';
import { runLoad } from './run-load.ts';

const plan = JSON.parse(process.argv[2] ?? '{}') as LoadPlan;

function* visits(): Generator<Visit> {
  const made = new Map<number, Visit>();
  for (const count of connectionsOf(plan)) {
    const visit = made.get(count) ?? { script: scriptOf(plan, count) };
    made.set(count, visit);
    yield visit;
  }
}

process.stdout.write(`${JSON.stringify(await runLoad(plan.port, plan.sessions, visits()))}\n`);
