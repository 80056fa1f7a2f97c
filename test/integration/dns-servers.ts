/** DNS servers of Debian on loopback, with their zones in a folder of the test file that starts them. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { DnsAnswer } from '../../bindings/plugin/resolver.ts';
import { asking } from '../dns/asking.ts';
import { freePort } from '../free-port.ts';
import { PATIENCE_MS } from '../patience.ts';
import { StartedPrograms } from './started.ts';

/** Ends with the test file. */
export class DnsServers {
  readonly #folder = mkdtempSync(join(tmpdir(), 'dns-servers-'));
  readonly #programs = new StartedPrograms();

  constructor() {
    afterAll(async () => {
      await this.#programs.end();
      rmSync(this.#folder, { recursive: true });
    });
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  write(name: string, lines: readonly string[]): string {
    writeFileSync(this.path(name), `${lines.join('\n')}\n`);
    return this.path(name);
  }

  /** Runs a program in the folder; returns what it writes. */
  run(program: string, ...args: readonly string[]): string {
    return execFileSync(program, args, { cwd: this.#folder, encoding: 'utf8' });
  }

  /** Resolves once the server at 127.0.0.1 answers as it should to a question for `name`. */
  async begin(
    port: number,
    command: readonly string[],
    name = 'is.it.there.zone.test',
    isUp = ({ status }: DnsAnswer<string>) => status === 'no such name',
  ): Promise<number> {
    const started = this.#programs.start(command);
    const dns = asking([{ address: '127.0.0.1', port, isTrusted: true }], { attemptMs: 100, cacheOctets: 0 });
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      const answer = await dns.resolve4(name, { timeoutMs: 500 });
      if (isUp(answer)) return port;
      if (performance.now() > until)
        throw new Error(`${command[0]}: ${JSON.stringify(answer)} ${started.said()}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** `lines` belong into the section `server`, `after` stand after it. */
  async unbound(
    lines: readonly string[],
    after: readonly string[] = [],
    ...probe: [name?: string, isUp?: (answer: DnsAnswer<string>) => boolean]
  ): Promise<number> {
    const port = await freePort();
    const all = [
      'server:',
      `interface: 127.0.0.1@${port}`,
      `interface: ::1@${port}`,
      'do-daemonize: no',
      'username: ""',
      'chroot: ""',
      `directory: "${this.#folder}"`,
      'pidfile: ""',
      'use-syslog: no',
      'do-not-query-localhost: no',
      ...lines,
      'remote-control:',
      'control-enable: no',
      ...after,
    ];
    const command = ['unbound', '-d', '-c', this.write(`unbound-${port}.conf`, all)];
    return this.begin(port, command, ...probe);
  }

  /** Serves the zones of files of their names. */
  async nsd(zones: readonly string[], probe?: string): Promise<number> {
    const port = await freePort();
    const lines = [
      'server:',
      `ip-address: 127.0.0.1@${port}`,
      'username: ""',
      'chroot: ""',
      `zonesdir: "${this.#folder}"`,
      `pidfile: "${this.path('nsd.pid')}"`,
      `xfrdfile: "${this.path('xfrd.state')}"`,
      `xfrdir: "${this.#folder}"`,
      `zonelistfile: "${this.path('zone.list')}"`,
      'server-count: 1',
      // It would take many questions for an attack.
      'rrl-ratelimit: 0',
      'remote-control:',
      'control-enable: no',
      ...zones.flatMap((name) => ['zone:', `name: ${name}`, `zonefile: "${this.path(name)}"`]),
    ];
    return this.begin(port, ['nsd', '-d', '-c', this.write(`nsd-${port}.conf`, lines)], probe);
  }
}
