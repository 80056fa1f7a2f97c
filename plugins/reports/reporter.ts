/** In whose name reports go out, and what names and dates one. */

import { DAY_MS } from './day-counts.ts';

export interface Reporter {
  /** The name of the organisation. */
  readonly org: string;
  /** An address that people answer at. */
  readonly contact: string;
  /** The domain that names the files: that of `me`. */
  readonly host: string;
  readonly generator: string;
}

/** What is left out is made of the name of the host. */
export const reporterOf = (
  { from, org }: { readonly from?: string | undefined; readonly org?: string | undefined },
  me: string,
): Reporter => ({
  org: org?.replaceAll('_', ' ') ?? me,
  contact: from ?? `postmaster@${me}`,
  host: me,
  generator: 'qpsmtpd',
});

/** Unique for ever, as a second report of the same day has the same content. RFC 9990 section 3.5.1. */
export const reportIdOf = (day: number, domain: string, { host }: Reporter): string =>
  `${day}.${domain}.${host}`.replace(/[^A-Za-z0-9.-]/g, '-');

/** The begin and the last second of a day, in seconds since 1970. */
export const rangeOf = (day: number): { readonly begin: number; readonly end: number } => ({
  begin: (day * DAY_MS) / 1_000,
  end: ((day + 1) * DAY_MS) / 1_000 - 1,
});
