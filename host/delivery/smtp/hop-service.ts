/** Opens outlets over next hops for plugins. */

import type {
  HopIntroduction,
  HopOptions,
  HopOutlet,
  Hops,
  IntroductionTerms,
} from '../../../bindings/plugin/hop-services.ts';
import type { Log } from '../../../bindings/plugin/log-level.ts';
import { Deadlines } from '../../session/deadlines.ts';
import { ClientIntroduction } from '../introduction/client-introduction.ts';
import { withTlsFiles } from './tls-files.ts';
import { USUAL_TIMEOUTS } from './hop-timeouts.ts';
import { readLoginFile } from './login/login-file.ts';
import { SmtpOutlet } from './smtp-outlet.ts';

/** One timer for all connections to all hops. */
const deadlines = new Deadlines();

export interface ClosableHops extends Hops {
  /** Closes every outlet. */
  close(): void;
}

export class HopService implements ClosableHops {
  readonly #outlets = new Set<HopOutlet>();
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  introduction(terms: IntroductionTerms, log: Log): HopIntroduction | undefined {
    const isWanted = terms.proxy === true || terms.xclient === true || terms.xforward === true;
    return isWanted ? new ClientIntroduction(terms, log) : undefined;
  }

  open(options: HopOptions): HopOutlet {
    const { protocol = 'smtp', tls = { level: 'opportunistic' }, loginFile } = options;
    const timeouts = { ...USUAL_TIMEOUTS, ...options.timeouts };
    if (loginFile !== undefined) readLoginFile(loginFile);
    const outlet = new SmtpOutlet({
      hosts: options.hosts,
      protocol,
      helloName: options.helloName,
      timeouts,
      tls: withTlsFiles(tls, options.tlsFiles),
      login:
        loginFile === undefined
          ? undefined
          : { file: loginFile, allowsClear: options.allowsClearLogin ?? false, timeoutMs: timeouts.helloMs },
      introduction: options.introduction,
      deadlines,
      log: options.log,
      withinMs: options.withinMs ?? Number.POSITIVE_INFINITY,
      connections: options.connections ?? 10,
      messages: options.messages ?? 100,
      idleMs: options.idleMs ?? 15_000,
      waiting: options.waiting ?? 1_000,
      eightBit: options.eightBit ?? 'refuse',
      random: this.#random,
    });
    this.#outlets.add(outlet);
    return outlet;
  }

  close(): void {
    for (const outlet of this.#outlets) outlet.close();
    this.#outlets.clear();
  }
}
