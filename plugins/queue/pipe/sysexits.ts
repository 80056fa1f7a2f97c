/** Exit codes of programs that deliver mail: sysexits.h, and qmail's 100 and 111. */

export interface ExitMeaning {
  readonly kind: 'deferred' | 'refused';
  /** Reply code, RFC 3463 status and words for the client. */
  readonly code: number;
  readonly status: string;
  readonly text: string;
}

const refuse = (code: number, status: string, text: string): ExitMeaning => ({
  kind: 'refused',
  code,
  status,
  text,
});
const defer = (text: string, status = '4.3.0'): ExitMeaning => ({
  kind: 'deferred',
  code: 451,
  status,
  text,
});

/** Codes about the message or its recipient refuse for good. */
const MEANINGS: Readonly<Record<number, ExitMeaning>> = {
  65: refuse(554, '5.6.0', 'data format error'),
  67: refuse(550, '5.1.1', 'user unknown'),
  68: refuse(550, '5.1.2', 'host name unknown'),
  69: refuse(554, '5.3.0', 'service unavailable'),
  71: defer('system error'),
  74: defer('input/output error'),
  75: defer('temporary failure'),
  77: refuse(550, '5.7.0', 'permission denied'),
  78: defer('local configuration error', '4.3.5'),
  100: refuse(554, '5.3.0', 'mail system permanently refuses the message'),
};

/**
 * What an exit code other than 0 means. A code that speaks of the program (wrong usage, a missing file, a crash of the
 * interpreter) is no reason to lose mail: the operator reads the log, and the client comes back.
 */
export const meaningOfExit = (code: number): ExitMeaning =>
  MEANINGS[code] ?? defer('the delivery program failed');
