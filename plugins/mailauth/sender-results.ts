/** What the checks of a sender leave for each other. Tasks, as what needs a result may be asked before it is there. */

import { transactionTask } from '../../bindings/plugin/index.ts';

/** RFC 7208 section 2.6. */
export type SpfOutcome = 'none' | 'neutral' | 'pass' | 'fail' | 'softfail' | 'temperror' | 'permerror';

export interface SpfResult {
  readonly result: SpfOutcome;
  /** What was checked: that of the reverse-path, or that of HELO if the reverse-path is empty. */
  readonly domain: string;
  readonly scope: 'mfrom' | 'helo';
}

/** Begun by sender_permitted_from at MAIL. Never rejects: what fails is `temperror`. */
export const spfResult = transactionTask<SpfResult>('sender_permitted_from');
