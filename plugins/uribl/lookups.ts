/** Names and addresses of one message, asked about at all lists at once. */

import type { Clock } from '../../bindings/plugin/index.ts';
import { printable, TEXT_TIMEOUT_MS } from '../dns-lists/list-plugin.ts';
import { queryLabels } from '../dns-lists/remote-list.ts';
import type { ListEntry } from '../dns-lists/list-vote.ts';
import type { Action, ZoneLine } from './zones.ts';

export interface LookupOptions {
  /** What a zone without an action of its own does. */
  readonly action: Action;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

export interface Match {
  readonly action: Action;
  /** `NAME in ZONE: TEXT`, as qpsmtpd tells it. */
  readonly text: string;
}

export interface LookupResult {
  /** In the order of the zones and, for each, of the names. */
  readonly matches: readonly Match[];
  readonly asked: number;
  readonly failed: number;
}

/** Of a reply line with 512 octets. RFC 5321 section 4.5.3.1.5. */
const MAX_TEXT = 200;

/**
 * Resolves with all matches; with those there are as soon as one of them refuses for good: no other answer can change that. What is
 * still asked then is given up. Never rejects.
 */
export async function lookUp(
  names: readonly string[],
  lists: readonly ListEntry<ZoneLine>[],
  options: LookupOptions,
): Promise<LookupResult> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const places = lists.flatMap((entry) => names.map((name) => ({ entry, name })));
  const found: (readonly Match[])[] = [];
  let failed = 0;
  await new Promise<void>((resolve) => {
    let open = places.length;
    const settle = (matches: readonly Match[], index: number): void => {
      found[index] = matches;
      if (--open === 0 || matches.some(({ action }) => action === 'deny')) resolve();
    };
    if (open === 0) resolve();
    places.forEach(({ entry, name }, index) => {
      void ask(entry, name, { ...options, signal }).then((answer) => {
        if (answer === 'failed' && !stop.signal.aborted) failed++;
        settle(answer === 'failed' ? [] : answer, index);
      });
    });
  });
  stop.abort();
  return { matches: found.flat(), asked: places.length, failed };
}

/** A match for each line of the list that counts its answer. */
async function ask(
  { list, lines }: ListEntry<ZoneLine>,
  name: string,
  { action: usual, timeoutMs, signal, clock }: LookupOptions,
): Promise<readonly Match[] | 'failed'> {
  const begun = clock.now();
  const answer = await list.ask(name, { signal, timeoutMs });
  if (answer.state === 'failed') return answer.state;
  if (answer.state === 'not listed') return [];
  const counted = lines.flatMap(({ filter, action }) => {
    const code = answer.codes.find(filter);
    return code === undefined ? [] : [{ code, action: action ?? usual }];
  });
  if (counted.length === 0) return [];
  const left = Math.max(timeoutMs - (clock.now() - begun), 1);
  const text = await answer.text({ signal, timeoutMs: Math.min(left, TEXT_TIMEOUT_MS) });
  const remark = printable(text, MAX_TEXT);
  return counted.map(({ action, code }) => ({
    action,
    text: `${queryLabels(name)} in ${list.name}: ${remark === '' ? code : remark}`,
  }));
}
