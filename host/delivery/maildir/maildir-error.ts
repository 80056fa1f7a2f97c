import { QpsmtpdError } from '../../errors/error-classes.ts';

/** What a delivery was about when it failed; the first three are qpsmtpd's words. */
export type DeliveryStep = 'open' | 'close' | 'link' | 'mkdir' | 'read' | 'write' | 'sync';

const DISK_FULL = new Set(['ENOSPC', 'EDQUOT']);

/** A message that could not be put into a Maildir: `Q_DISK_FULL` or `Q_DELIVERY`. The system's error is the `cause`. */
export class MaildirError extends QpsmtpdError {
  readonly step: DeliveryStep;
  readonly path: string;

  constructor(step: DeliveryStep, path: string, cause: unknown) {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    super(DISK_FULL.has(code) ? 'Q_DISK_FULL' : 'Q_DELIVERY', `queue error (${step}): ${path}: ${message}`, {
      cause,
    });
    this.name = 'MaildirError';
    this.step = step;
    this.path = path;
  }
}

/** Runs one step of a delivery; its failure names the step and the path. */
export async function attempt<T>(step: DeliveryStep, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof QpsmtpdError ? error : new MaildirError(step, path, error);
  }
}
