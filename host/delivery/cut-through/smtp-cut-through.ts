import type { CutThroughTransaction, CutThrough } from '../../../bindings/plugin/cut-through.ts';
import { SmtpCutThroughTransaction, type SmtpCutThroughOptions } from './smtp-cut-through-transaction.ts';
import { HopFinder, type FinderOptions } from './hop-finder.ts';

/** What `queue/cut-through` sends its clients' transactions by. */
export class SmtpCutThrough implements CutThrough {
  readonly #finder: HopFinder;
  readonly #terms: SmtpCutThroughOptions;

  constructor(terms: FinderOptions & SmtpCutThroughOptions) {
    this.#finder = new HopFinder(terms);
    this.#terms = terms;
  }

  begin(): CutThroughTransaction {
    return new SmtpCutThroughTransaction(this.#finder, this.#terms);
  }
}
