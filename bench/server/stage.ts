/** The servers of a run: prepared, started, and stopped again whatever happens. */

import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { MissingError, type Hop, type Need, type Peer, type Place } from '../peers/peer.ts';
import type { Participant } from '../results.ts';
import { settledCpuSeconds } from './measure.ts';
import { findFreePort, startServer, type Launch, type RunningServer } from './running-server.ts';

export interface StageOptions {
  readonly scratch: string;
  readonly program: string;
  readonly node: string;
  readonly isPinned: boolean;
}

/** Servers on the first core, generators on the second: neither takes the other's time. */
const SERVER_CORE = 0;
const GENERATOR_CORE = 1;

export class Stage {
  readonly participants: Participant[] = [];
  readonly serverCore: number | undefined;
  readonly generatorCore: number | undefined;
  readonly #options: StageOptions;
  readonly #folder: string;
  readonly #prepared = new Map<string, Peer>();
  readonly #running = new Map<string, RunningServer>();
  #count = 0;

  constructor(options: StageOptions) {
    this.#options = options;
    mkdirSync(options.scratch, { recursive: true });
    this.#folder = mkdtempSync(join(options.scratch, 'run-'));
    for (const path of [options.scratch, this.#folder]) chmodSync(path, 0o755);
    // Also when the run is being ended before its time.
    process.once('exit', () => this.#removeFolder());
    const canPin = options.isPinned && availableParallelism() > 1 && existsSync('/usr/bin/taskset');
    this.serverCore = canPin ? SERVER_CORE : undefined;
    this.generatorCore = canPin ? GENERATOR_CORE : undefined;
    this.#makeCertificate();
  }

  get peers(): readonly Peer[] {
    return [...this.#prepared.values()];
  }

  /** Installs a peer; one that cannot be had is noted with the reason. */
  async prepare(peer: Peer): Promise<void> {
    const { name, label, settings } = peer;
    try {
      const version = await peer.prepare(this.#place('nothing'));
      this.#prepared.set(name, peer);
      this.participants.push({ name, label, version, settings });
    } catch (error) {
      if (!(error instanceof MissingError)) throw error;
      this.participants.push({ name, label, version: undefined, settings, missing: error.message });
    }
  }

  /** The server in the configuration that is needed; started at the first call and then kept. */
  async server(peer: Peer, need: Need): Promise<RunningServer> {
    const name = `${peer.name}-${need}`;
    const running = this.#running.get(name) ?? (await this.startFresh(peer, need));
    this.#running.set(name, running);
    return running;
  }

  /** A server of its own for a measurement that must not see what came before; the caller stops it. */
  async startFresh(peer: Peer, need: Need): Promise<RunningServer> {
    const name = `${peer.name}-${need}`;
    if (peer.hop === undefined) return this.startOther(name, (place, port) => peer.launch(place, need, port));
    return this.#startWithHop(name, peer, peer.hop, need);
  }

  /** What the hop has counted becomes the last of the peer's settings when both are stopped. */
  async #startWithHop(name: string, peer: Peer, hop: Hop, need: Need): Promise<RunningServer> {
    const launched = hop.launch(this.#place(`${name}-hop`), await findFreePort());
    const behind = await startServer(launched, this.generatorCore);
    const launch = (place: Place, port: number): Launch =>
      peer.launch({ ...place, hopPort: behind.port }, need, port);
    const server = await this.startOther(name, launch).catch(async (error: unknown) => {
      await behind.stop();
      throw error;
    });
    const stop = async (): Promise<void> => {
      await server.stop();
      await behind.stop();
      const index = this.participants.findIndex((each) => each.name === peer.name);
      const participant = this.participants[index];
      if (participant === undefined) return;
      const counted = hop.account(readFileSync(launched.log, 'utf8'));
      this.participants[index] = { ...participant, settings: [...participant.settings, counted] };
    };
    return { ...server, stop };
  }

  /** Starts what `launch` describes, in a folder of its own; on any core if `isPinned` is false. */
  async startOther(
    name: string,
    launch: (place: Place, port: number) => Launch,
    { isPinned = true } = {},
  ): Promise<RunningServer> {
    const port = await findFreePort();
    const place = this.#place(name);
    const server = await startServer(launch(place, port), isPinned ? this.serverCore : undefined);
    // What a server still does after it has begun to listen is no cost of a message.
    await settledCpuSeconds(server.pid);
    return server;
  }

  /** Stops all that still run and removes their folders; what was installed stays. */
  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((server) => server.stop()));
    this.#running.clear();
    this.#removeFolder();
  }

  #removeFolder(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Stops the servers of one configuration, once no workload needs them any more. */
  async dismiss(need: Need): Promise<void> {
    for (const [name, server] of [...this.#running].filter(([key]) => key.endsWith(`-${need}`))) {
      await server.stop();
      this.#running.delete(name);
    }
  }

  #place(name: string): Place {
    const folder = join(this.#folder, `${name}-${this.#count++}`);
    mkdirSync(folder, { recursive: true });
    const { scratch, node, program } = this.#options;
    const [key, cert] = [join(this.#folder, 'key.pem'), join(this.#folder, 'cert.pem')];
    return { installs: scratch, folder, node, program: resolve(program), key, cert };
  }

  #makeCertificate(): void {
    const { key, cert } = this.#place('certificate');
    const args = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
    ];
    execFileSync('openssl', [...args, '-subj', '/CN=mx.example.test', '-keyout', key, '-out', cert], {
      stdio: 'pipe',
    });
    chmodSync(key, 0o644);
  }
}
