/** All spools of this process. They outlive a reload, which only changes their options. */

import { realpathSync } from 'node:fs';
import { QpsmtpdError } from '../errors/error-classes.ts';
import type { Outlet } from '../../bindings/plugin/delivery.ts';
import type { Spools, SpoolOptions } from '../../bindings/plugin/spool-services.ts';
import type { Rehearsal } from '../errors/rehearsal.ts';
import { SpoolFolder } from './files/spool-folder.ts';
import { Spool, type SpoolSources } from './spool.ts';

export class ProcessSpools {
  readonly #sources: SpoolSources;
  /** By real path: two lines that name the same folder share one. */
  readonly #spools = new Map<string, Spool>();
  /** Paths of those that hand messages on. */
  readonly #working = new Set<string>();

  constructor(sources: SpoolSources) {
    this.#sources = sources;
  }

  /** What one reading of the configuration, of all its services, asks for; nothing of it takes effect before `begin`, or ever in a rehearsal. */
  offers(rehearsal?: Rehearsal): SpoolOffers {
    return new SpoolOffers(
      (directory, options) => this.#spoolAt(directory, options, rehearsal),
      (named) => {
        for (const [path, spool] of this.#spools) {
          if (named.has(spool)) this.#working.add(path);
          else if (this.#working.delete(path)) spool.abandon();
        }
      },
    );
  }

  /** Nothing more is handed on; messages are still taken in. */
  pause(): void {
    for (const spool of this.#spools.values()) spool.pause();
  }

  async close(graceMs: number): Promise<void> {
    await Promise.all([...this.#spools.values()].map((spool) => spool.close(graceMs)));
  }

  #spoolAt(directory: string, options: SpoolOptions, rehearsal: Rehearsal | undefined): Spool {
    const prepared = new SpoolFolder(directory);
    prepared.prepare(rehearsal);
    if (rehearsal !== undefined) return new Spool(prepared, options, this.#sources);
    const path = realpathSync(directory);
    const known = this.#spools.get(path);
    if (known !== undefined) return known;
    const spool = new Spool(new SpoolFolder(path), options, this.#sources);
    this.#spools.set(path, spool);
    return spool;
  }
}

export class SpoolOffers implements Spools {
  readonly #spoolAt: (directory: string, options: SpoolOptions) => Spool;
  readonly #choose: (named: ReadonlySet<Spool>) => void;
  /** By path: lines of several services that name the same spool share it. */
  readonly #offered = new Map<string, { readonly spool: Spool; readonly options: SpoolOptions }>();

  constructor(
    spoolAt: (directory: string, options: SpoolOptions) => Spool,
    choose: (named: ReadonlySet<Spool>) => void,
  ) {
    this.#spoolAt = spoolAt;
    this.#choose = choose;
  }

  open(directory: string, options: SpoolOptions): Outlet {
    const spool = this.#spoolAt(directory, options);
    const { path } = spool.folder;
    const first = this.#offered.get(path);
    // One spool hands on in one way: what a second line asks for would never happen.
    if (first !== undefined && first.options.line !== options.line)
      throw new QpsmtpdError(
        'Q_CONFIG',
        `the spool ${path} is used by another line with other options (give both lines the same options, or each a directory of its own)`,
      );
    if (first === undefined) this.#offered.set(path, { spool, options });
    return first?.spool ?? spool;
  }

  /** The configuration counts from now on: the spools work by it. */
  async begin(): Promise<void> {
    const offered = [...this.#offered.values()];
    this.#choose(new Set(offered.map(({ spool }) => spool)));
    for (const { spool, options } of offered) spool.adopt(options);
    await Promise.all(offered.map(({ spool }) => spool.begin()));
  }
}
