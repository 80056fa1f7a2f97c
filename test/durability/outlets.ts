/** The outlets whose 250 has to be durable. */

import { join } from 'node:path';
import { messagesOf, Workplace } from '../integration/daemon.ts';
import type { DurableOutlet } from './kill-rounds.ts';

export interface OutletUnderTest {
  readonly name: string;
  /** Why it cannot be tested here. */
  readonly missing: () => string | undefined;
  readonly prepare: () => Promise<DurableOutlet>;
}

/** Small enough that a tenth of the messages goes to disk while it arrives. */
const FILES = { size_threshold: '50000', loglevel: '3' };
const ONE = ['u@example.test'];

const nothingMissing = (): undefined => undefined;

function plugins(workplace: Workplace, ...lines: string[]): void {
  workplace.write({ plugins: ['rcpt_ok', ...lines].join('\n') });
}

async function maildir(): Promise<DurableOutlet> {
  const workplace = new Workplace(FILES);
  const delivered = () => Promise.resolve(workplace.delivered());
  const close = async (): Promise<void> => workplace.remove();
  return Promise.resolve({ workplace, recipients: ONE, copies: 1, delivered, close });
}

/** Two recipients of two outlets: each message has two copies, or the client has not read 250. */
async function routes(): Promise<DurableOutlet> {
  const workplace = new Workplace(FILES);
  const boxes = [join(workplace.folder, 'one'), join(workplace.folder, 'two')];
  workplace.write({
    rcpthosts: 'one.test\ntwo.test',
    routes: `one.test maildir ${boxes[0]}\n* maildir ${boxes[1]}`,
  });
  plugins(workplace, 'queue/routes');
  return Promise.resolve({
    workplace,
    recipients: ['u@one.test', 'u@two.test'],
    copies: 2,
    delivered: () => Promise.resolve(boxes.flatMap(messagesOf)),
    close: async () => workplace.remove(),
  });
}

export const OUTLETS: readonly OutletUnderTest[] = [
  { name: 'maildir', missing: nothingMissing, prepare: maildir },
  { name: 'routes', missing: nothingMissing, prepare: routes },
];
