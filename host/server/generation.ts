/**
 * One reading of the configuration: a runtime for each service that listeners name. They are loaded together or not at all, replaced
 * together, and last until the last session of any of them has ended.
 */

import { ConfigDirectory } from '../config/config-directory.ts';
import { openSearchPath } from '../config/search-path.ts';
import { requireServiceFiles } from '../config/service-files.ts';
import { ConfigError, type Place } from '../errors/error-classes.ts';
import type { Acceptor } from '../intake/incoming-connection.ts';
import { silence } from '../observe/logger.ts';
import type { SpoolOffers } from '../spool/process-spools.ts';
import { Runtime, type ProcessResources, type RuntimeOptions } from './runtime.ts';

export interface GenerationOptions extends RuntimeOptions {
  readonly acceptors: readonly Pick<Acceptor, 'needsTls' | 'needsToken' | 'service'>[];
  /** Services that are loaded though no listener names them. */
  readonly furtherServices?: readonly string[] | undefined;
}

export class Generation {
  /** What the process goes by: the plain configuration or, if all listeners name a service, that of the first. */
  readonly main: Runtime;
  readonly #byService: ReadonlyMap<string, Runtime>;
  readonly #spools: SpoolOffers;

  private constructor(main: Runtime, byService: ReadonlyMap<string, Runtime>, spools: SpoolOffers) {
    this.main = main;
    this.#byService = byService;
    this.#spools = spools;
  }

  /** Throws a `ConfigError`, or an `AggregateError` of several, with nothing of it in effect if any service cannot be loaded. */
  static async load(foundation: ProcessResources, options: GenerationOptions): Promise<Generation> {
    const { acceptors, furtherServices = [], rehearsal } = options;
    const named = [...acceptors.map(({ service }) => service), ...furtherServices];
    const isPlainServed = acceptors.length === 0 || named.includes(undefined);
    const names = new Set(isPlainServed ? [undefined, ...named] : named);
    const spools = foundation.spools.offers(rehearsal);
    const directories = options.directories ?? openSearchPath(options.configDir);
    const loaded: Runtime[] = [];
    const problems: unknown[] = [];
    for (const service of names) {
      try {
        if (service !== undefined) requireFilesOf(service, directories, options);
        loaded.push(await Runtime.load(foundation, { ...options, directories, service, spools }));
      } catch (error) {
        problems.push(error);
      }
    }
    try {
      if (rehearsal === undefined || loaded.length === 0) throwTogether(problems);
      else await rehearsal.attempt(undefined, () => throwTogether(problems));
      // What keeps a plugin from offering TLS has been told by then.
      if (rehearsal?.failure === undefined)
        for (const runtime of loaded) {
          requireTls(runtime, acceptors);
          requireToken(runtime, acceptors);
        }
    } catch (error) {
      await Promise.all(loaded.map((runtime) => runtime.close(true)));
      throw error;
    }
    const ofServices = loaded.flatMap((runtime) =>
      runtime.service === undefined ? [] : [[runtime.service, runtime] as const],
    );
    return new Generation(loaded[0]!, new Map(ofServices), spools);
  }

  /** The plain one first, if there is one. */
  get runtimes(): readonly Runtime[] {
    return [...new Set([this.main, ...this.#byService.values()])];
  }

  /** What the clients of a listener meet; undefined for a service that no listener had when this was loaded. */
  of(service: string | undefined): Runtime | undefined {
    return service === undefined ? this.main : this.#byService.get(service);
  }

  has(runtime: Runtime): boolean {
    return runtime === this.main || (runtime.service !== undefined && this.of(runtime.service) === runtime);
  }

  /** Open sessions that began under it. */
  get sessions(): number {
    return this.runtimes.reduce((sum, { sessions }) => sum + sessions, 0);
  }

  /** Before its first client. Never rejects. */
  async preparePlugins(): Promise<void> {
    await Promise.all(this.runtimes.map((runtime) => runtime.preparePlugins()));
  }

  /** From now on stored messages go by this reading of the configuration. Never rejects. */
  beginSpools(): Promise<void> {
    return this.#spools.begin();
  }

  /** As `Runtime.close`. */
  async close(atOnce = false): Promise<void> {
    await Promise.all(this.runtimes.map((runtime) => runtime.close(atOnce)));
  }
}

function requireFilesOf(
  service: string,
  directories: readonly string[],
  { overlay }: Pick<GenerationOptions, 'overlay'>,
): void {
  requireServiceFiles(service, placeOfListener(service, directories), directories, overlay?.keys());
}

/** The line of `listeners` that names the service, or the option of the command line. */
function placeOfListener(service: string, directories: readonly string[]): Place {
  const config = new ConfigDirectory({ directories, log: silence, watch: false });
  try {
    const line = config
      .linesWithPlaces('listeners')
      .find(({ text }) => text.split(/[ \t]+/).includes(`service=${service}`));
    return line?.place ?? { file: '--listen' };
  } finally {
    config.close();
  }
}

/** A listener whose clients begin with TLS would otherwise answer them in the clear. */
function requireTls({ service, tls, config }: Runtime, acceptors: GenerationOptions['acceptors']): void {
  if (tls !== undefined) return;
  if (!acceptors.some((acceptor) => acceptor.needsTls === true && acceptor.service === service)) return;
  throw new ConfigError(
    config.placeOf('plugins'),
    `a listener${service === undefined ? '' : ` of the service ${service}`} says tls=implicit, but there is no certificate`,
    'add a line `tls`; `qpsmtpd tls-cert` makes a certificate',
  );
}

/** A listener that takes requests with a token alone would take none. */
function requireToken(
  { service, settings, config }: Runtime,
  acceptors: GenerationOptions['acceptors'],
): void {
  const scope = acceptors.find((acceptor) => acceptor.needsToken && acceptor.service === service)?.needsToken;
  if (scope === undefined || settings.httpTokens.serves(scope)) return;
  throw new ConfigError(
    config.placeOf('http_tokens'),
    `a listener is for clients with a token, and none has the scope ${scope}`,
    `add a line "TOKEN ${scope}"; \`openssl rand -hex 24\` makes a token`,
  );
}

/** What is wrong with a general file is wrong for each service, and told once. */
function throwTogether(thrown: readonly unknown[]): void {
  const problems = new Map<string, unknown>();
  for (const each of thrown.flatMap((error) =>
    error instanceof AggregateError ? error.errors : [error],
  ) as unknown[])
    problems.set(each instanceof Error ? each.message : String(each), each);
  const [first, ...others] = problems.values();
  if (first === undefined) return;
  throw others.length === 0 ? first : new AggregateError(problems.values(), (first as Error).message);
}
