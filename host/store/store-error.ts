import { QpsmtpdError } from '../errors/error-classes.ts';

/** The store can't be used, or could not be used in time. */
export class StoreError extends QpsmtpdError {
  constructor(message: string, cause?: unknown) {
    super('Q_STORE', message, { cause });
    this.name = 'StoreError';
  }
}
