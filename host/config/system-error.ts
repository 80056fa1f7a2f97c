/** The system's error codes, sorted by what they mean for a configuration file. */

const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG']);
const LASTING = new Set(['EACCES', 'EPERM', 'EISDIR', 'ENOTREG', 'ELOOP']);

/** The code of a system error; '' for anything else. */
export function errorCode(error: unknown): string {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}

/** The file does not exist. */
export const isAbsent = (code: string): boolean => ABSENT.has(code);

/** Stays until somebody changes the file. Anything else, such as a lack of file descriptors, may be over at once. */
export const isLasting = (code: string): boolean => LASTING.has(code);
