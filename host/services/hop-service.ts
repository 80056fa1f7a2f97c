/** Opens outlets over next hops for plugins. */

import type { CutThrough } from '../../bindings/plugin/cut-through.ts';
import type {
  CutThroughOptions,
  HopIntroduction,
  HopOptions,
  HopOutlet,
  Hops,
  IntroductionOptions,
} from '../../bindings/plugin/hop-services.ts';
import type { Log } from '../../bindings/plugin/log-level.ts';
import type { Services } from '../../bindings/plugin/services.ts';
import { Deadlines } from '../../bindings/timing/deadlines.ts';
import { SmtpCutThrough } from '../delivery/cut-through/smtp-cut-through.ts';
import { ClientIntroduction } from '../delivery/introduction/client-introduction.ts';
import { withTlsFiles } from '../delivery/smtp/tls-files.ts';
import { DEFAULT_TIMEOUTS } from '../delivery/smtp/hop-timeouts.ts';
import { readLoginFile } from '../delivery/smtp/login-file.ts';
import { SmtpOutlet } from '../delivery/smtp/smtp-outlet.ts';

/** One timer for all connections to all hops. */
const deadlines = new Deadlines();

export interface ClosableHops extends Hops {
  /** Closes every outlet. */
  close(): void;
}

export class HopService implements ClosableHops {
  readonly #outlets = new Set<HopOutlet>();
  readonly #services: Pick<Services, 'connect' | 'files' | 'random'>;

  constructor(services: Pick<Services, 'connect' | 'files' | 'random'>) {
    this.#services = services;
  }

  introduction(terms: IntroductionOptions, log: Log): HopIntroduction | undefined {
    const isWanted = terms.proxy === true || terms.xclient === true || terms.xforward === true;
    return isWanted ? new ClientIntroduction(terms, log) : undefined;
  }

  open(options: HopOptions): HopOutlet {
    const outlet = new SmtpOutlet({
      ...this.#termsOf(options, options.protocol ?? 'smtp'),
      hosts: options.hosts,
      withinMs: options.withinMs ?? Number.POSITIVE_INFINITY,
      connections: options.connections ?? 10,
      messages: options.messages ?? 1_000,
      waiting: options.waiting ?? 1_000,
    });
    this.#outlets.add(outlet);
    return outlet;
  }

  cutThrough(options: CutThroughOptions): CutThrough {
    return new SmtpCutThrough({
      ...this.#termsOf(options, 'smtp'),
      hosts: options.hosts,
      withinMs: options.withinMs ?? 120_000,
      connections: options.connections ?? 100,
    });
  }

  #termsOf(options: Omit<HopOptions, 'hosts' | 'protocol'>, protocol: 'smtp' | 'lmtp') {
    const { tls = { level: 'opportunistic' }, loginFile, allowsClearLogin = false } = options;
    const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
    const { key } = options.tlsFiles ?? {};
    const { connect, files, random } = this.#services;
    const warning = key === undefined ? undefined : files.openKeyWarning(key);
    if (warning !== undefined) options.log.warn(warning);
    const read = loginFile === undefined ? undefined : () => readLoginFile(loginFile, files);
    read?.();
    return {
      protocol,
      helloName: options.helloName,
      timeouts,
      tls: withTlsFiles(tls, options.tlsFiles, { connect, files }),
      login: read && { read, allowsClear: allowsClearLogin, timeoutMs: timeouts.helloMs },
      connect,
      introduction: options.introduction,
      deadlines,
      log: options.log,
      idleMs: options.idleMs ?? 15_000,
      eightBit: options.eightBit ?? 'refuse',
      random,
    } as const;
  }

  close(): void {
    for (const outlet of this.#outlets) outlet.close();
    this.#outlets.clear();
  }
}
