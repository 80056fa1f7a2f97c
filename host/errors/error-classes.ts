/** Errors of the host. Each has a stable `code` that documentation and scripts may rely on. */

import { ConfigProblem, type Place } from '../../bindings/lists/placed-line.ts';

export type { Place } from '../../bindings/lists/placed-line.ts';

export type ErrorCode =
  | 'Q_CONFIG'
  | 'Q_PLUGIN_NOT_FOUND'
  | 'Q_PLUGIN_LOAD'
  | 'Q_PLUGIN_OPTION'
  | 'Q_LISTEN'
  | 'Q_ALREADY_RUNNING'
  | 'Q_USAGE'
  | 'Q_NO_MESSAGE'
  | 'Q_DISK_FULL'
  | 'Q_MEMORY'
  | 'Q_DELIVERY'
  | 'Q_SPOOL'
  | 'Q_PRIVILEGES'
  | 'Q_STORE'
  | 'Q_PACKAGE'
  | 'Q_CORE';

export class QpsmtpdError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'QpsmtpdError';
    this.code = code;
  }
}

export const printPlace = ({ file, line }: Place): string => (line === undefined ? file : `${file}:${line}`);

/** Something in the configuration that keeps the daemon from starting, where it stands, and what to do about it. */
export class ConfigError extends QpsmtpdError {
  readonly place: Place;
  /** Further errors in other lines, for callers that report everything at once. */
  besides: readonly ConfigError[] = [];

  constructor(place: Place, problem: string, remedy?: string, code: ErrorCode = 'Q_CONFIG') {
    super(code, `${printPlace(place)}: ${problem}${remedy === undefined ? '' : ` (${remedy})`}`);
    this.name = 'ConfigError';
    this.place = place;
  }

  withBesides(others: readonly ConfigError[]): this {
    this.besides = others;
    return this;
  }
}

/** The code that stays with an error told again with its place; undefined: the teller's own says more. */
export const lastingCode = (cause: unknown): ErrorCode | undefined =>
  cause instanceof QpsmtpdError && cause.code === 'Q_PACKAGE' ? cause.code : undefined;

/**
 * What to do about a path of user `owner` that `user` can't use. Root is not told to take it over: the daemon's user, whose
 * it is, could not use it any more.
 */
export const remedyForOwner = (owner: number, user: number): string =>
  user === 0 ? `run as user ${owner}: name it with --user` : `run as user ${owner}, or chown ${user} it`;

/** The fault of a file, as the host or a plugin reports it; undefined for anything else that is thrown. */
export function configErrorOf(thrown: unknown): ConfigError | undefined {
  if (thrown instanceof ConfigError) return thrown;
  if (!(thrown instanceof ConfigProblem)) return undefined;
  return new ConfigError(thrown.place, thrown.message, thrown.remedy);
}

/** The problems of several lines, so that an operator can mend them all at once. */
export class PluginErrors extends QpsmtpdError {
  readonly problems: readonly ConfigError[];

  constructor(problems: readonly [ConfigError, ...ConfigError[]]) {
    super(problems[0].code, problems.map(({ message }) => message).join('\n'));
    this.name = 'PluginErrors';
    this.problems = problems;
  }
}
