/** The SMTP server of one process: its sockets, its sessions, and the configuration they run under. */

import { coreOfProcess } from '../../bindings/core.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { ProcessDns } from '../dns/process-dns.ts';
import { hostsFile, type ReverseLookup } from '../dns/reverse-lookup.ts';
import { ProcessSpools } from '../spool/process-spools.ts';
import { adviseOnLimits } from './limit-advice.ts';
import { lmtpHost, probeHost } from './session-hosts.ts';
import { Generation, type GenerationOptions } from './generation.ts';
import type { ProcessResources, Runtime } from './runtime.ts';
import {
  Acceptance,
  addressSpaceLimit,
  clientsByDescriptors,
  descriptorLimit,
} from '../intake/acceptance.ts';
import type { Acceptor, IncomingConnection, Surroundings } from '../intake/incoming-connection.ts';
import { takeProxied, takeProxyTls, tellNoHeader } from '../intake/proxy-layer.ts';
import { ConnectionLimiter, ServicePlaces, turnAway } from '../intake/connection-limiter.ts';
import { MemoryBudget, MemoryReport } from '../memory/memory-budget.ts';
import { budgetFor, connectionsWithin, roomOf } from '../memory/memory-share.ts';
import { leaveSeat, sessionName, takeSeat } from '../observe/flight-record.ts';
import type { Logger } from '../observe/logger.ts';
import type { Admission, ConnectionLedger } from '../process/connection-ledger.ts';
import type { DrainManner } from '../process/daemon.ts';
import { Deadlines } from '../../bindings/timing/deadlines.ts';
import { systemClock } from '../services/services.ts';
import { replies } from '../replies/replies.ts';
import { DenseSet } from '../../bindings/timing/dense-set.ts';
import { LmtpSession } from '../session/lmtp-session.ts';
import { Session } from '../session/session.ts';
import { Turns } from '../session/turns.ts';
import { ProcessStores } from '../store/stores.ts';

export interface ServerOptions extends GenerationOptions {
  readonly acceptors: readonly Acceptor[];
  /** Connections served at a time; 0: no limit; undefined: as many as `memory_budget` has room for. */
  readonly maxConnections?: number | undefined;
  /** Processes that share the machine, this one included; undefined: it is alone. */
  readonly workers?: number | undefined;
  /** The limit per address that `ledger` enforces; undefined: none. */
  readonly maxFromIp?: number | undefined;
  /** Asked for every connection; undefined: everybody is let in. */
  readonly ledger?: ConnectionLedger | undefined;
  readonly reverseLookup?: ReverseLookup | undefined;
  /** A listener is gone for good: this process takes no more clients and should make room for another. */
  readonly onListenerLost?: ((error: Error) => void) | undefined;
  /** The only client that a listener ever had is gone. */
  readonly onListenerEnded?: (() => void) | undefined;
  /** False: spools take messages in, and leave it to other processes to hand them on. */
  readonly handsOn?: boolean | undefined;
  /** The line of sessions that have input; undefined: by the clock and the event loop of the process. */
  readonly turns?: Turns | undefined;
  /** Of time limits of sessions and plugins; undefined: of its own, by the time of the machine. */
  readonly deadlines?: Deadlines | undefined;
}

/** Clients that may wait for a place at most, of all that the descriptors are enough for; the kernel's backlog holds as many. */
const WAITING_PLACES = 512;
const WAITING_SHARE = 1 / 8;
/** Of this process so far. */
let connections = 0;

/** How often `drain` looks whether the last session is gone. */
const DRAIN_LOOK_MS = 50;
/** How long clients have to read the 421 at the end of the grace period. */
const FAREWELL_MS = 300;
/** How long sessions that were cut off are waited for: their ends are known a few events later. */
const CUT_OFF_MS = 300;

export class Server implements ProcessResources {
  readonly core;
  readonly deadlines: Deadlines;
  readonly memory: MemoryBudget;
  readonly turns: Turns;
  readonly reverseLookup: ReverseLookup | undefined;
  readonly dns: ProcessDns;
  readonly hosts = hostsFile();
  readonly stores: ProcessStores;
  readonly spools: ProcessSpools;
  isDraining = false;
  /** Health checks are told 421, other clients are let in. */
  #stopsSoon = false;
  /** Takes no more clients, and no other configuration. */
  #isStopping = false;
  readonly #options: ServerOptions;
  readonly #limiter: ConnectionLimiter;
  readonly #acceptance: Acceptance;
  readonly #placesByDescriptors: number;
  readonly #sessions = new DenseSet<'listedAt', Session>('listedAt');
  /** Clients that have a place, and whose PROXY header is waited for. */
  readonly #unnamed = new Set<IncomingConnection>();
  readonly #servicePlaces = new ServicePlaces();
  #generation!: Generation;
  /** Those whose plugins are not closed yet. */
  readonly #generations = new Set<Generation>();

  private constructor(options: ServerOptions) {
    this.#options = options;
    this.reverseLookup = options.reverseLookup;
    this.deadlines = options.deadlines ?? new Deadlines();
    this.turns = options.turns ?? new Turns();
    this.core = coreOfProcess().core;
    this.dns = new ProcessDns({
      core: () => this.core,
      log: (level, text) => this.logger.log(level, text),
    });
    const clock = options.services?.clock ?? systemClock;
    this.stores = new ProcessStores(clock);
    this.spools = new ProcessSpools({ core: this.core, clock, random: () => Math.random() });
    const report = new MemoryReport(() => this.logger);
    this.memory = new MemoryBudget((budget) => report.tell(budget));
    const clients = clientsByDescriptors();
    const waitingPlaces = Math.min(WAITING_PLACES, Math.floor(clients * WAITING_SHARE));
    this.#placesByDescriptors = clients - waitingPlaces;
    const places = (): number => this.#places;
    const why = (): string => this.#reasonForPlaces;
    this.#acceptance = new Acceptance({
      acceptors: options.acceptors,
      get places() {
        return `${places()} places${why()}`;
      },
      log: (level, text) => this.logger.log(level, text),
      surroundingsOf: (service) => this.#surroundingsOf(service),
      lost: (error) => options.onListenerLost?.(error),
      ended: () => options.onListenerEnded?.(),
    });
    this.#limiter = new ConnectionLimiter({
      get places() {
        return places();
      },
      waitingPlaces,
      setFull: (isFull) => this.#acceptance.setFull(isFull),
      enter: (intake) => this.#enter(intake),
      turnAway: (intake) => this.#turnAway(intake),
    });
  }

  /** Reads the configuration and loads the plugins; throws a `ConfigError` or an `AggregateError` of several. */
  static async load(options: ServerOptions): Promise<Server> {
    const server = new Server(options);
    server.#generation = await server.#loadGeneration();
    server.#setMemoryLimit();
    const { notice } = coreOfProcess();
    if (notice !== undefined) server.logger.log(LogLevel.WARN, notice);
    return server;
  }

  get generation(): Generation {
    return this.#generation;
  }

  get logger(): Logger {
    return this.#generation.main.logger;
  }

  /** Connections being served. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** The same, and those whose session is about to begin: a PROXY header, or the count of their address, is waited for. */
  get connections(): number {
    return this.#limiter.inside;
  }

  /** Binds the sockets that are not bound yet and lets clients in. Returns the addresses as listen specs. */
  async listen(): Promise<readonly string[]> {
    const { acceptors } = this.#options;
    const addresses: string[] = [];
    for (const advice of this.adviseOnLimits()) this.logger.log(LogLevel.WARN, advice);
    await this.#generation.preparePlugins();
    if (this.#options.handsOn === false) this.spools.pause();
    await this.#generation.beginSpools();
    for (const acceptor of acceptors) addresses.push(await acceptor.bind());
    this.#acceptance.open((intake) => this.#limiter.admit(intake));
    return addresses;
  }

  /**
   * New configuration for new connections, as soon as its plugins are ready for them; on an error the old one goes on
   * serving and the error is thrown. Called once at a time.
   */
  async reload(): Promise<void> {
    const next = await this.#loadGeneration();
    await next.preparePlugins();
    // Spools that `drain` has closed meanwhile must not hand on again.
    if (this.#isStopping) {
      await this.#close(next, true);
      return;
    }
    const old = this.#generation;
    this.#generation = next;
    this.#setMemoryLimit();
    await next.beginSpools();
    this.#closeIfUnused(old);
  }

  announceStop(): void {
    this.#stopsSoon = true;
  }

  /**
   * Stops accepting. Sessions go on as if nothing were, those of clients that wait for a place included, and most end by
   * themselves; after `graceMs` the others are told 421, or cut off where they are amid a message.
   */
  async drain(graceMs: number, { isPrompt = false, arePassedOn = false }: DrainManner = {}): Promise<void> {
    this.#isStopping = true;
    this.spools.pause();
    await Promise.all(this.#options.acceptors.map((acceptor) => acceptor.close(arePassedOn)).map(settle));
    const until = performance.now() + graceMs;
    if (isPrompt) this.#sendIdleAway();
    await this.#emptyWithin(graceMs);
    this.#sendIdleAway();
    this.#sessions.forEach((session) => session.takeLeave());
    await this.#emptyWithin(Math.min(FAREWELL_MS, graceMs));
    this.cutOff();
    await this.#emptyWithin(CUT_OFF_MS);
    await this.spools.close(Math.max(0, until - performance.now()));
    await Promise.all([...this.#generations].map((generation) => this.#close(generation, true)));
    this.dns.close();
    await this.stores.close();
  }

  /** Ends every session at once, also while `drain` waits for them. */
  cutOff(): void {
    this.#sessions.forEach((session) => session.destroy());
    for (const { stream } of this.#unnamed) stream.destroy();
  }

  /** From now on sessions end as soon as they have no transaction. */
  #sendIdleAway(): void {
    this.isDraining = true;
    this.#limiter.dismiss();
    this.#sessions.forEach((session) => session.drain());
  }

  /** Resolves when the last client is gone, or `withinMs` are over. One whose header is on its way has been accepted, and is served. */
  async #emptyWithin(withinMs: number): Promise<void> {
    const until = performance.now() + withinMs;
    while (this.connections > 0 && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
    }
  }

  /** A configuration that was replaced lasts as long as its last session. */
  #closeIfUnused(generation: Generation): void {
    if (generation.sessions === 0) void this.#close(generation);
  }

  async #close(generation: Generation, atOnce = false): Promise<void> {
    await generation.close(atOnce);
    this.#generations.delete(generation);
  }

  /** A session's connection is gone. */
  leave(session: Session, runtime: Runtime): void {
    if (!this.#sessions.delete(session)) return;
    leaveSeat(session.seat);
    this.#release(session.intake);
    this.#freePlace(session.intake);
    runtime.sessions--;
    if (this.#generation.has(runtime)) return;
    for (const old of this.#generations) if (old.has(runtime)) this.#closeIfUnused(old);
  }

  /** For the fronts, which know no reading of the configuration. */
  #surroundingsOf(service: string | undefined): Surroundings {
    const runtime = (): Runtime => this.#runtimeOf({ listener: { service } });
    const isDraining = (): boolean => this.isDraining || this.#stopsSoon;
    return {
      get settings() {
        return runtime().settings;
      },
      get isDraining() {
        return isDraining();
      },
      openStore: (name) => runtime().stores.open(name),
      log: (level, text) => runtime().logger.log(level, text),
    };
  }

  /** The least of what the operator allows, what there is memory for, and what there are descriptors for. */
  get #places(): number {
    return Math.min(this.#placesWanted, this.#placesByDescriptors);
  }

  get #placesWanted(): number {
    const { maxConnections } = this.#options;
    if (maxConnections === undefined) return connectionsWithin(this.memory.limit);
    return maxConnections || Number.POSITIVE_INFINITY;
  }

  get #reasonForPlaces(): string {
    if (this.#placesByDescriptors < this.#placesWanted) return ` (${descriptorLimit()} descriptors)`;
    return this.#options.maxConnections === undefined ? ' (memory_budget)' : '';
  }

  /** What limits of the system are too small for, a sentence for each. */
  adviseOnLimits(): readonly string[] {
    const { maxConnections, workers = 1 } = this.#options;
    return adviseOnLimits({
      descriptors: descriptorLimit(),
      placesByDescriptors: this.#placesByDescriptors,
      maxConnections,
      addressSpace: addressSpaceLimit(),
      memoryBudget: this.#generation.main.settings.memoryBudget,
      workers,
      machine: roomOf(workers).machine,
    });
  }

  #setMemoryLimit(): void {
    const { memoryBudget = budgetFor(roomOf(this.#options.workers ?? 1)) } = this.#generation.main.settings;
    this.memory.limit = memoryBudget || Number.POSITIVE_INFINITY;
  }

  async #loadGeneration(): Promise<Generation> {
    const generation = await Generation.load(this, this.#options);
    this.#generations.add(generation);
    return generation;
  }

  /** What the client meets: by its listener alone, so it is known before the first octet. */
  #runtimeOf({ listener }: Pick<IncomingConnection, 'listener'>): Runtime {
    return this.#generation.of(listener?.service) ?? this.#generation.main;
  }

  /** The service has no place left, or the waiting line of the process is full. */
  #turnAway(intake: IncomingConnection): void {
    turnAway(intake, this.#runtimeOf(intake).printer.fixed(replies.tooManyConnections));
  }

  #enter(intake: IncomingConnection): void {
    const runtime = this.#runtimeOf(intake);
    if (!this.#takePlace(intake, runtime)) {
      this.#turnAway(intake);
      this.#limiter.leave();
      return;
    }
    if (this.memory.turnsAway) {
      const { printer, settings } = runtime;
      turnAway(intake, printer.filled(replies.shortOfMemory, settings.me));
      this.#freePlace(intake);
      return;
    }
    // Most listeners take no header: their clients cost no look at the settings.
    const proxy = intake.listener?.proxy;
    const proxied = proxy === undefined ? undefined : takeProxied(intake, proxy, runtime.settings);
    if (proxied === undefined) {
      // Of a socket file its mode says who may connect: whoever can is the proxy.
      if (proxy === undefined && intake.hops[0] === 'unix') takeProxyTls(intake);
      this.#admit(intake);
      return;
    }
    this.#unnamed.add(intake);
    void proxied
      .finally(() => this.#unnamed.delete(intake))
      .then(
        () => this.#admit(intake),
        (error: Error) => this.#refuseProxy(intake, error),
      );
  }

  /** Of the places of its service, of which each worker has its share, rounded up. The log is told why there is none. */
  #takePlace({ listener }: IncomingConnection, runtime: Runtime): boolean {
    const service = listener?.service;
    if (service === undefined) return true;
    // A client must never meet the rules of another service, such as one that lets it relay.
    if (runtime.service !== service) {
      this.logger.log(
        LogLevel.CRIT,
        `no listener was loaded for the service ${service}: a client is turned away`,
      );
      return false;
    }
    const { maxConnections = Number.POSITIVE_INFINITY } = runtime;
    if (this.#servicePlaces.take(service, Math.ceil(maxConnections / (this.#options.workers ?? 1))))
      return true;
    runtime.logger.log(LogLevel.NOTICE, `too many connections for the service ${service}`);
    return false;
  }

  /** Of a client that had entered. */
  #freePlace({ listener }: IncomingConnection): void {
    if (listener?.service !== undefined) this.#servicePlaces.leave(listener.service);
    this.#limiter.leave();
  }

  #refuseProxy(intake: IncomingConnection, error: Error): void {
    this.#runtimeOf(intake).logger.log(LogLevel.NOTICE, tellNoHeader(intake, error));
    this.#freePlace(intake);
  }

  /** By the client's own address: all clients of a proxy would share one otherwise. */
  #admit(intake: IncomingConnection): void {
    if (intake.isProbe === true && this.#stopsSoon) {
      const { printer, settings } = this.#runtimeOf(intake);
      turnAway(intake, printer.filled(replies.shuttingDown, settings.me));
      this.#freePlace(intake);
      return;
    }
    const ledger = this.#ledgerFor(intake);
    if (ledger !== undefined) intake.countedAs = intake.remote.address;
    const admission = ledger?.admit(intake.remote.address, this.#runtimeOf(intake).extraConnections);
    if (admission === undefined) this.#begin(intake);
    else if (admission instanceof Promise) void admission.then((answer) => this.#judge(intake, answer));
    else this.#judge(intake, admission);
  }

  /** What has no address to be counted by is let in: processes of this host on a Unix socket, and proxies that ask for themselves. */
  #ledgerFor({ remote, isProbe }: IncomingConnection): ConnectionLedger | undefined {
    return remote.path !== undefined || isProbe === true ? undefined : this.#options.ledger;
  }

  /** XCLIENT may have given the client another address meanwhile. */
  #release({ countedAs }: IncomingConnection): void {
    if (countedAs !== undefined) this.#options.ledger?.release(countedAs);
  }

  /** A client that takes all connections would keep all others out. */
  #judge(intake: IncomingConnection, { isAdmitted, fromIp }: Admission): void {
    if (isAdmitted) {
      this.#begin(intake, fromIp);
      return;
    }
    const { address } = intake.remote;
    const { logger, printer } = this.#runtimeOf(intake);
    logger.log(LogLevel.NOTICE, `too many connections from ${address}`);
    turnAway(intake, printer.filled(replies.tooManyFromAddress, address));
    this.#freePlace(intake);
  }

  #begin(intake: IncomingConnection, fromSameAddress = 0): void {
    // A client that left while its admission was asked for has no more events.
    if (intake.stream.destroyed) {
      this.#release(intake);
      this.#freePlace(intake);
      return;
    }
    const number = connections++;
    const beganAt = Date.now();
    const runtime = this.#runtimeOf(intake);
    const host = intake.isProbe === true ? probeHost(runtime) : runtime;
    const name = sessionName(number, beganAt);
    const session =
      intake.listener?.isLmtp === true
        ? new LmtpSession(intake, lmtpHost(host), name)
        : new Session(intake, host, name);
    session.seat = takeSeat(number, beganAt);
    session.facts.fromSameAddress = fromSameAddress;
    session.facts.maxFromSameAddress = this.#options.maxFromIp;
    this.#sessions.add(session);
    runtime.sessions++;
    session.begin();
  }
}

/** An acceptor that cannot close must not keep the others open. */
const settle = (closing: Promise<void>): Promise<void> => closing.catch(() => undefined);
