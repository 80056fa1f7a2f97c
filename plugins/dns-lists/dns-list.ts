/** Lists of addresses and of domains that are asked one subject at a time, wherever they are kept. RFC 5782. */

export interface DnsList {
  /** What the list is called in logs and replies: its zone, without a key the operator may have for it. */
  readonly name: string;
  /** `subject`: an IP address, or a domain in A-labels. Never rejects. */
  ask(subject: string, options?: ListOptions): Promise<ListAnswer>;
  /** The same answer for lists that need not wait for anything; undefined if `ask` has to be awaited. Never throws. */
  askNow?(subject: string): ListAnswer | undefined;
  /** As `ask`, without a promise: the answer is taken once, perhaps before the call returns. Never throws. */
  askFor?(subject: string, options: ListOptions, taker: AnswerTaker, place: number): void;
}

/** Takes the answers of many lists; `place` tells whose it is. */
export interface AnswerTaker {
  /** Never throws. */
  take(place: number, answer: ListAnswer): void;
}

export interface ListOptions {
  /** Aborted once no answer is needed any more: it is `failed` then, at once. */
  readonly signal?: AbortSignal | undefined;
  /** How long the answer is waited for. Undefined: as long as the resolver does. */
  readonly timeoutMs?: number | undefined;
}

/** What a list says. Only `listed` and `not listed` are words of the list; `failed` must not count against anybody. */
export type ListAnswer =
  | {
      readonly state: 'listed';
      /** Addresses in 127/8, by which the list tells why. Empty for an entry that has a text alone. RFC 5782 section 2.3. */
      readonly codes: readonly string[];
      /**
       * What the list has to say about it; asks on the first call, with the options of that. Undefined if it says nothing, or failed.
       * Never rejects.
       */
      readonly text: (options?: ListOptions) => Promise<string | undefined>;
    }
  | { readonly state: 'not listed' }
  /** Nobody answered, or what came is no answer of a list. `reason` is for the log. */
  | {
      readonly state: 'failed';
      readonly reason: string;
      /** The list was not asked: it did not pass its test. */
      readonly isOff?: boolean;
    };

export const NOT_LISTED: ListAnswer = Object.freeze({ state: 'not listed' });

export const failedAnswer = (reason: string): ListAnswer => ({ state: 'failed', reason });
