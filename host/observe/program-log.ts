/** Where an embedding program wants its log. A fault in there must not end a session, or the process. */

/**
 * `write`, which never throws: the first error, or rejection of a promise, becomes a warning of the process, as there is no
 * other place to tell of it. Lines after that are written as before.
 */
export function neverThrowing<A extends readonly unknown[]>(
  write: (...args: A) => unknown,
): (...args: A) => void {
  let isTold = false;
  const tell = (thrown: unknown): void => {
    if (isTold) return;
    isTold = true;
    process.emitWarning(`the log of the program failed: ${String(thrown)}`, 'QpsmtpdWarning');
  };
  return (...args) => {
    try {
      const returned = write(...args);
      if (returned instanceof Promise) returned.catch(tell);
    } catch (thrown) {
      tell(thrown);
    }
  };
}
