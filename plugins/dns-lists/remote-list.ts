/** Lists that are kept in the DNS. RFC 5782. */

import { addressOctets } from '../../bindings/lists/index.ts';
import type { Resolver } from '../../bindings/plugin/index.ts';
import { reversedDigits } from '../../bindings/wire/index.ts';
import { failedAnswer, NOT_LISTED, type DnsList, type ListAnswer, type ListOptions } from './dns-list.ts';
import { codeProblem } from './return-codes.ts';

/** RFC 1035 section 2.3.4, as text. */
const MAX_NAME = 253;

/**
 * What stands in front of the zone in a question about `subject`: the octets of an IPv4 address from the last to the first, the
 * hexadecimal digits of an IPv6 address likewise, or the domain itself. RFC 5782 sections 2.1, 2.4 and 3.
 */
export function queryLabels(subject: string): string {
  const octets = addressOctets(subject);
  return octets === undefined ? subject : reversedDigits(octets);
}

export interface RemoteListOptions {
  /** What the list is called. Undefined: its zone. */
  readonly name?: string | undefined;
  readonly dns: Pick<Resolver, 'resolve4' | 'txt'>;
}

export class RemoteList implements DnsList {
  readonly name: string;
  readonly #zone: string;
  readonly #dns: RemoteListOptions['dns'];

  /** `zone` is a name of the DNS in A-labels, with its key if it has one: it stays in here. */
  constructor(zone: string, { name = zone, dns }: RemoteListOptions) {
    this.name = name;
    this.#zone = zone;
    this.#dns = dns;
  }

  async ask(subject: string, options: ListOptions = {}): Promise<ListAnswer> {
    const question = `${queryLabels(subject)}.${this.#zone}`;
    // The DNS has no such name, so the list can't have it either.
    if (question.length > MAX_NAME) return NOT_LISTED;
    const answer = await this.#dns.resolve4(question, options);
    if (answer.status === 'failed') return failedAnswer(answer.reason);
    if (answer.status !== 'found') return NOT_LISTED;
    const problem = codeProblem(answer.records);
    if (problem !== undefined) return failedAnswer(problem);
    let text: Promise<string | undefined> | undefined;
    return {
      state: 'listed',
      codes: answer.records,
      text: () => (text ??= this.#text(question, options)),
    };
  }

  /** Several texts are no better than one: the first counts. */
  async #text(question: string, options: ListOptions): Promise<string | undefined> {
    const answer = await this.#dns.txt(question, options);
    return answer.status === 'found' ? answer.records[0] : undefined;
  }
}
