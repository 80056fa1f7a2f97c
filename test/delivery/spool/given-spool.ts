/** A spool in a folder of the test, in simulated time, over an outlet in memory. */

import { onTestFinished } from 'vitest';
import type { Log, MailObject, Recipient, SpoolOptions } from '../../../bindings/plugin/index.ts';
import type { MailOptions } from '../../../bindings/plugin/connection.ts';
import { SpoolFolder } from '../../../host/spool/files/spool-folder.ts';
import { Spool } from '../../../host/spool/spool.ts';
import { PLAIN_MAIL } from '../../../host/session/envelope-parameters.ts';
import { core } from '../../message/core.ts';
import { folder } from '../../message/folder.ts';
import { address, messageOf } from '../transaction.ts';
import { FakeOutlet } from './fake-outlet.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const START = 1_795_354_336_000;

export class FakeClock {
  ms = START;
  readonly now = (): number => this.ms;
}

export function collectingLog(lines: string[]): Log {
  const write =
    (level: string) =>
    (text: string): void =>
      void lines.push(`${level} ${text}`);
  return {
    writes: () => true,
    at: (level, text) => write(String(level))(text),
    error: write('error'),
    warn: write('warn'),
    notice: write('notice'),
    info: write('info'),
    debug: write('debug'),
  };
}

export interface GivenSpool {
  readonly path: string;
  readonly spool: Spool;
  readonly outlet: FakeOutlet;
  readonly clock: FakeClock;
  readonly log: string[];
  /** Lets time go by, looking for work every `stepMs`. */
  readonly pass: (ms: number, stepMs?: number) => Promise<void>;
}

export function givenSpool(
  terms: Partial<SpoolOptions> = {},
  { path = `${folder()}/spool`, clock = new FakeClock(), outlet = new FakeOutlet() } = {},
): GivenSpool {
  const log: string[] = [];
  const spoolFolder = new SpoolFolder(path);
  spoolFolder.prepare();
  const spool = new Spool(
    spoolFolder,
    {
      outlet,
      destinationOf: ({ domain }) => domain.toLowerCase(),
      firstRetryMs: 5 * MINUTE,
      longestRetryMs: 4 * HOUR,
      lifeMs: 5 * DAY,
      delayNoticeMs: 4 * HOUR,
      keepReportsMs: 7 * DAY,
      perDestination: 3,
      inAll: 5,
      maxMessages: 1_000,
      maxOctets: 100_000_000,
      minFreeOctets: 0,
      host: 'mx.test',
      log: collectingLog(log),
      ...terms,
    },
    { core, clock, random: () => 0.5 },
  );
  onTestFinished(() => spool.close(0));
  const pass = async (ms: number, stepMs = MINUTE): Promise<void> => {
    for (const end = clock.ms + ms; clock.ms < end;) {
      clock.ms = Math.min(end, clock.ms + stepMs);
      await drain(spool, outlet);
    }
  };
  return { path, spool, outlet, clock, log, pass };
}

/** Works until nothing is left to do at this moment. */
export async function drain(spool: Spool, outlet: FakeOutlet): Promise<void> {
  for (let before = -1; before !== outlet.attempts;) {
    before = outlet.attempts;
    await spool.work();
    // A notice or a report takes a turn of its own.
    await spool.work();
  }
}

export interface MailObjectFacts {
  readonly from?: string;
  readonly to: readonly (string | Recipient)[];
  readonly text?: string;
  readonly options?: Partial<MailOptions>;
}

export const mailWith = ({
  from = 's@c.example',
  to,
  text = 'Subject: one\r\n\r\nbody\r\n',
  options = {},
}: MailObjectFacts): MailObject => ({
  id: 'c1',
  reversePath: address(from),
  recipients: to.map((one) =>
    typeof one === 'string' ? { address: address(one), parameters: new Map() } : one,
  ),
  mailOptions: { ...PLAIN_MAIL, ...options },
  message: messageOf(text),
  client: undefined,
});
