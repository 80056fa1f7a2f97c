import type { Conduit, CutThrough } from '../../../bindings/plugin/cut-through.ts';
import { HopConduit, type ConduitOptions } from './hop-conduit.ts';
import { HopFinder, type FinderOptions } from './hop-finder.ts';

/** What `queue/cut-through` sends its clients' transactions by. */
export class CutThroughWay implements CutThrough {
  readonly #finder: HopFinder;
  readonly #terms: ConduitOptions;

  constructor(terms: FinderOptions & ConduitOptions) {
    this.#finder = new HopFinder(terms);
    this.#terms = terms;
  }

  begin(): Conduit {
    return new HopConduit(this.#finder, this.#terms);
  }
}
