/** Runs the built daemon for a test: its own configuration directory, port and Maildir, ended by pid. */

import { spawn, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AS_OURSELVES, RunningProgram } from '../process/running-program.ts';

/** From the source tree, or from `build`, where the tools are compiled to. */
export const PROGRAM = ['../../dist/host/cli/qpsmtpd.js', '../../../dist/host/cli/qpsmtpd.js']
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find((path) => existsSync(path))!;
/** How long a daemon may take to start or to stop. */
const PATIENCE_MS = 60_000;

/** A folder for one test file, removed by `remove`. */
export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-test-'));
  readonly config = join(this.folder, 'config');
  readonly maildir = join(this.folder, 'Maildir');

  /** Writes a configuration that accepts mail for example.test into the Maildir; `files` come on top. */
  constructor(files: Readonly<Record<string, string>> = {}) {
    mkdirSync(this.config);
    this.write({
      me: 'mx.test',
      rcpthosts: 'example.test',
      spool_dir: join(this.folder, 'spool'),
      plugins: `rcpt_ok\nqueue/maildir ${this.maildir}`,
      ...files,
    });
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.config, name), `${text}\n`);
  }

  /** The messages delivered so far, in no particular order. */
  delivered(): Buffer[] {
    return messagesOf(this.maildir);
  }

  names(part: 'new' | 'tmp'): string[] {
    const folder = join(this.maildir, part);
    return existsSync(folder) ? readdirSync(folder) : [];
  }

  /** Files in the spool directory. */
  spooled(): string[] {
    const folder = join(this.folder, 'spool');
    return existsSync(folder) ? readdirSync(folder) : [];
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The messages in the `new` folder of a Maildir; none if there is no such Maildir. */
export function messagesOf(maildir: string): Buffer[] {
  const folder = join(maildir, 'new');
  return existsSync(folder) ? readdirSync(folder).map((name) => readFileSync(join(folder, name))) : [];
}

/** `qpsmtpd serve` on a free port, for tests of its processes; `descriptors`: how many files each may have open. */
export function serveIn(
  { config }: Workplace,
  workers: number,
  more: readonly string[] = [],
  descriptors?: number,
): RunningProgram {
  const args = ['serve', '--config', config, '--listen', 'tcp://127.0.0.1:0', '--workers', `${workers}`];
  return new RunningProgram(PROGRAM, [...args, ...more], descriptors === undefined ? {} : { descriptors });
}

export class RunningDaemon {
  /** The ports it listens on, in the order of its listen specs. */
  readonly ports: readonly number[];
  readonly #child: ChildProcess;
  readonly #log: () => string;

  private constructor(child: ChildProcess, ports: readonly number[], log: () => string) {
    this.#child = child;
    this.ports = ports;
    this.#log = log;
  }

  /** What the daemon wrote to its standard error stream so far. */
  get log(): string {
    return this.#log();
  }

  get port(): number {
    return this.ports[0]!;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Starts `qpsmtpd serve` on a free port, or on `port`, or where `listen` says (`[]`: the file); resolves when it listens. */
  static async start(
    { config }: Pick<Workplace, 'config'>,
    {
      port = 0,
      workers = 1,
      words = [] as readonly string[],
      listen: specs = [`tcp://127.0.0.1:${port}`] as readonly string[],
    } = {},
  ): Promise<RunningDaemon> {
    const listen = specs.flatMap((spec) => ['--listen', spec]);
    const child = spawn(
      process.execPath,
      [
        PROGRAM,
        'serve',
        '--config',
        config,
        ...listen,
        '--workers',
        String(workers),
        ...AS_OURSELVES,
        ...words,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let out = '';
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
    const bound = await new Promise<readonly number[]>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not listening in time: ${log}`)), PATIENCE_MS);
      child.once('exit', (code) => reject(new Error(`ended with ${code}: ${log}`)));
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        out += text;
        const line = /^listening on .*\n/m.exec(out)?.[0];
        if (line === undefined) return;
        clearTimeout(timer);
        resolve([...line.matchAll(/tcp:\/\/127\.0\.0\.1:(\d+)/g)].map(([, bound]) => Number(bound)));
      });
    });
    child.removeAllListeners('exit');
    return new RunningDaemon(child, bound, () => log);
  }

  /** Sends a signal and waits for the end; resolves with the exit code, or null after a signal that kills. */
  end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
      return Promise.resolve(this.#child.exitCode);
    }
    return new Promise((resolve) => {
      const force = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MS);
      this.#child.once('exit', (code) => {
        clearTimeout(force);
        resolve(code);
      });
      this.#child.kill(signal);
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}
