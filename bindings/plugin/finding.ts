/**
 * What a check saw, as opposed to what is to be done about it. The settings `reject`, `reject_type` and `loglevel`
 * of the plugin's line turn a finding into a verdict, the same way for every plugin.
 */

import type { EnhancedStatus } from './verdict.ts';

export interface Finding {
  readonly kind: 'pass' | 'fail' | 'skip' | 'error';
  /** For `fail`: what the client is told. For the others: a remark for the log. */
  readonly text: string;
  readonly status?: EnhancedStatus;
  /** What the log says instead of `text`. */
  readonly log?: string;
  /** For `fail`: the fault may be gone by the next attempt, so a refusal is never for good. */
  readonly isTemporary?: boolean;
}

export interface FailOptions {
  readonly status?: EnhancedStatus;
  /** What the log says instead of the text the client is told. */
  readonly log?: string;
  /** A refusal is never for good, whatever `reject_type` is: the check could not be made, or may pass next time. */
  readonly isTemporary?: boolean;
}

/** The check was made and found nothing against the client. */
export const pass = (text = ''): Finding => ({ kind: 'pass', text });

/** The check found something; `text` is what the client is told if the finding leads to a refusal. */
export const fail = (text: string, options?: FailOptions): Finding => ({ kind: 'fail', text, ...options });

/** The check was not made, and why (`relay client`, `null sender`). */
export const skip = (text: string): Finding => ({ kind: 'skip', text });

/** The check could not be made, and why. */
export const error = (text: string): Finding => ({ kind: 'error', text });
