import { QpsmtpdError } from '../../errors/error-classes.ts';

const DISK_FULL = new Set(['ENOSPC', 'EDQUOT', 'MDB_MAP_FULL']);

/** What went wrong with the spool: `Q_DISK_FULL` or `Q_SPOOL`. The system's error is the `cause`. */
export class SpoolError extends QpsmtpdError {
  constructor(problem: string, cause?: unknown) {
    const { code = '', message } = (cause ?? {}) as Partial<NodeJS.ErrnoException>;
    const text = message === undefined ? problem : `${problem}: ${message}`;
    super(DISK_FULL.has(code) ? 'Q_DISK_FULL' : 'Q_SPOOL', text, { cause });
    this.name = 'SpoolError';
  }
}

/** A file whose octets are not what was written: it is kept in `damaged/`, and never delivered. */
export class DamagedError extends SpoolError {
  constructor(path: string, problem: string) {
    super(`${path} is damaged: ${problem}`);
    this.name = 'DamagedError';
  }
}

/** Runs one step; its failure says what was being done. */
export async function attempt<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof QpsmtpdError ? error : new SpoolError(what, error);
  }
}
