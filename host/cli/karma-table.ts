/** What `qpsmtpd karma` prints, in the columns of qpsmtpd's karma_tool. */

import type { KarmaRecord } from '../../bindings/plugin/karma-record.ts';
import { strftime } from '../../bindings/plugin/strftime.ts';
import { localTime } from '../services/local-time.ts';

export const KARMA_HEADER =
  '      IP Address                 Penalty        Naughty  Nice  Connects  Hostname';

/** Counts of 0 are left out of a list, where they would only be in the way. */
export function karmaRow(address: string, record: KarmaRecord, hostName = ''): string {
  const { penaltyStart, naughty, nice, connects } = record;
  const penalty = penaltyStart === 0 ? '' : strftime('%a %b %e %H:%M', localTime(penaltyStart * 1_000));
  const counts = [naughty, nice, connects].map((count) => (count === 0 ? '' : String(count)).padStart(3));
  return ` ${address.padEnd(18)}  ${penalty.padStart(24)}    ${counts.join('     ')}    ${hostName.padStart(30)}`;
}

/** What a list adds up to. */
export class KarmaTotals {
  #addresses = 0;
  #naughty = 0;
  #nice = 0;
  #connects = 0;

  add({ naughty, nice, connects }: KarmaRecord): void {
    this.#addresses++;
    this.#naughty += naughty;
    this.#nice += nice;
    this.#connects += connects;
  }

  toString(): string {
    return `${this.#addresses} addresses: ${this.#naughty} naughty, ${this.#nice} nice, ${this.#connects} connects`;
  }
}
