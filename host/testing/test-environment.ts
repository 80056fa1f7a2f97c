/** What stands around a plugin or a server in a test, in place of the machine and the network. */

import type { Connect } from '../../bindings/plugin/connect.ts';
import type { Logs } from '../../bindings/plugin/log-services.ts';
import type { Outlet, OpenedOutlet } from '../../bindings/plugin/delivery.ts';
import type { Services, System } from '../../bindings/plugin/services.ts';
import type { Stores } from '../../bindings/plugin/store.ts';
import type { DnsService } from '../../bindings/plugin/resolver.ts';
import { fakeResolver } from './fake-resolver.ts';
import { requirePackage } from '../package/optional-package.ts';
import { timeInZone } from '../services/local-time.ts';
import { MemoryDaemons, type Daemon } from './memory-daemons.ts';
import { MemoryFiles } from './memory-files.ts';
import { MemoryLogs } from './memory-logs.ts';
import { MemoryPrograms, type Program } from './memory-programs.ts';
import { MemoryStores } from './memory-store.ts';
import { MemoryWeb, type Page } from './memory-web.ts';
import { ownThread } from './own-thread.ts';
import { randomNumbers, type RandomNumbers } from './random-numbers.ts';
import { TestClock } from './test-clock.ts';

/** Facts about the host. What is left out: `mx.example`, process 4711 of user 1000, no load, UTC, an empty environment. */
export interface SystemFacts {
  readonly hostName?: string | undefined;
  readonly processId?: number | undefined;
  readonly userId?: number | undefined;
  readonly loadAverage?: number | (() => number) | undefined;
  /** Variables of the environment. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** The time zone, in minutes east of UTC. */
  readonly zoneMinutes?: number | undefined;
}

/** Each of these takes the place of the service it is named after. */
export interface TestEnvironment {
  readonly clock?: TestClock | undefined;
  readonly random?: RandomNumbers | undefined;
  /** What `services.files` reads and writes; not the configuration. */
  readonly files?: MemoryFiles | Readonly<Record<string, string | Buffer>> | undefined;
  /** What `services.dns` asks: `fakeResolver(zones)`. */
  readonly resolver?: DnsService | undefined;
  /** Daemons by `HOST:PORT` or path of a Unix socket. */
  readonly daemons?: MemoryDaemons | Readonly<Record<string, Daemon | 'unreachable'>> | undefined;
  /** Programs by path. */
  readonly programs?: MemoryPrograms | Readonly<Record<string, Program>> | undefined;
  readonly store?: Stores | undefined;
  /** Pages by URL. */
  readonly web?: MemoryWeb | Readonly<Record<string, Page>> | undefined;
  readonly system?: SystemFacts | undefined;
  /** What logging plugins write to. */
  readonly logs?: Logs | undefined;
  /** The outlet for what a plugin names by `services.outlets.open`: `smtp-forward 10.0.0.5`. */
  readonly outlets?: ((options: string) => Outlet) | undefined;
  /** Services of the test's own, which come before all of the above. */
  readonly services?: Partial<Services> | undefined;
}

/** The services a test has named. */
export function namedServices(environment: TestEnvironment): Partial<Services> {
  const { clock, random, files, resolver, daemons, programs, store, web, system, logs, outlets } =
    environment;
  return {
    ...(clock !== undefined && { clock }),
    ...(random !== undefined && { random: randomNumbers(random) }),
    ...(files !== undefined && { files: files instanceof MemoryFiles ? files : new MemoryFiles(files) }),
    ...(resolver !== undefined && { dns: resolver }),
    ...(daemons !== undefined && { connect: connectTo(daemons, clock) }),
    ...(programs !== undefined && {
      programs: programs instanceof MemoryPrograms ? programs : new MemoryPrograms(programs, clock),
    }),
    ...(store !== undefined && { store }),
    ...(web !== undefined && { http: web instanceof MemoryWeb ? web : new MemoryWeb(web) }),
    ...(system !== undefined && { system: systemOf(system) }),
    ...(logs !== undefined && { logs }),
    ...(outlets !== undefined && { outlets: { open: (options: string) => opened(outlets(options)) } }),
    ...environment.services,
  };
}

/**
 * All services: those a test has named, and for the others what stands in an empty world. No name is known, no file and no program is
 * there, nobody listens; the store works.
 */
export function testServices(environment: TestEnvironment): Services {
  const clock = environment.clock ?? new TestClock();
  const named = namedServices({ ...environment, clock });
  return {
    random: () => 0.5,
    dns: fakeResolver(),
    files: new MemoryFiles(),
    connect: new MemoryDaemons({}, clock).connect,
    programs: new MemoryPrograms({}, clock),
    store: new MemoryStores(named.clock ?? clock),
    http: new MemoryWeb(),
    workers: ownThread,
    system: systemOf({}),
    logs: new MemoryLogs({ now: () => clock.now() }),
    ...absentServices,
    clock,
    ...named,
  };
}

const connectTo = (daemons: NonNullable<TestEnvironment['daemons']>, clock: TestClock | undefined): Connect =>
  (daemons instanceof MemoryDaemons ? daemons : new MemoryDaemons(daemons, clock)).connect;

function systemOf(facts: SystemFacts): System {
  const {
    hostName = 'mx.example',
    processId = 4711,
    userId = 1_000,
    loadAverage = 0,
    environment = {},
    zoneMinutes = 0,
  } = facts;
  return {
    hostName,
    processId,
    userId,
    loadAverage: typeof loadAverage === 'number' ? () => loadAverage : loadAverage,
    localTime: (epochMs) => timeInZone(zoneMinutes, epochMs),
    environment: (name) => (Object.hasOwn(environment, name) ? environment[name] : undefined),
    optionalPackage: requirePackage,
  };
}

const opened = (outlet: Outlet): OpenedOutlet =>
  Object.assign(Object.create(outlet) as Outlet, { ready: Promise.resolve() });

const absent = (service: string) => (): never => {
  throw new Error(`the test names no ${service}: say \`services: { ${service}: … }\``);
};

/** Services that no test gets by itself. */
const absentServices = {
  outlets: { open: absent('outlets') },
  spools: { open: absent('spools') },
  tls: { offer: () => undefined },
} satisfies Partial<Services>;
