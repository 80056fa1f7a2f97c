import { RouteTable } from '../../bindings/lists/index.ts';
import {
  ConfigProblem,
  defineOutlet,
  dsn,
  oneOf,
  withReplyCode,
  z,
  type Address,
  type Config,
  type Log,
  type Outlet,
  type OpenedOutlet,
  type MailObject,
  type Place,
  type Recipient,
  type RecipientOutcome,
  type Setup,
  type Transaction,
  type Services,
} from '../../bindings/plugin/index.ts';
import { deliverSplit, type Consignment } from './kit/outlet-split.ts';

const options = z.object({
  file: z
    .string()
    .regex(/^[\w.-]+$/, 'must be the name of a file in the configuration')
    .default('routes'),
  /** Whether recipients of different outlets may share a message. */
  mixture: oneOf(['allow', 'separate']).default('allow'),
  leftovers: z.array(z.string()).optional(),
});

/** Splits a message over outlets by the domains of its recipients. */
export default defineOutlet({
  name: 'queue/routes',
  about: 'Delivers by the domain of the recipient, over the outlets that config/routes names.',
  options,
  rest: 'leftovers',
  outlet: (setup) => new RoutedOutlet(setup),
  onError: 'defer',
  hooks: ({ options }, outlet) => {
    const routes = outlet as RoutedOutlet;
    const destinations = new Destinations();
    return {
      /** Asked only where this line stands in front of those that accept recipients. */
      async rcpt({ transaction }, forwardPath) {
        const table = await routes.refreshed();
        const route = table.find(forwardPath);
        if (route === undefined) return dsn.addrBadDestSystem();
        if (options.mixture === 'allow') return undefined;
        const others = destinations.of(transaction, table);
        // RFC 5321 section 4.5.3.1.10: the client sends the rest in a transaction of their own.
        return others.size > 1 || (others.size === 1 && !others.has(route.outlet))
          ? withReplyCode(dsn.tooManyRcpts('One destination at a time.'), 452)
          : undefined;
      },
      /** Here no recipient has the message yet: later a refusal would also cover recipients that have it. */
      async data({ transaction: { recipients, isAnsweredByRecipient }, log }) {
        if (isAnsweredByRecipient) return undefined;
        const table = await routes.refreshed();
        const stray = recipients.find(({ address }) => table.find(address) === undefined);
        if (stray === undefined) return undefined;
        log.warn(`no route for ${stray.address.toString()}`);
        return dsn.addrBadDestSystem();
      },
    };
  },
});

class RoutedOutlet implements Outlet {
  readonly #file: string;
  readonly #config: Config;
  readonly #log: Log;
  readonly #outlets: Services['outlets'];
  readonly #leftovers: Outlet | undefined;
  #table: RouteTable<Outlet>;
  /** What the table was made of; the configuration has other lines after a change. */
  #lines: readonly string[];
  #refreshing: Promise<void> | undefined;

  constructor({ options: given, config, log, services }: Setup<z.output<typeof options>>) {
    this.#file = given.file;
    this.#config = config;
    this.#log = log;
    this.#outlets = services.outlets;
    const { leftovers } = given;
    this.#leftovers = leftovers === undefined ? undefined : this.#outlets.open(leftovers.join(' '));
    this.#lines = config.lines(this.#file);
    this.#table = this.#parse((spec, place) => this.#outlets.open(spec, place));
  }

  /**
   * A route that names the address or its domain is meant for it; `*` is for all others, and may lead to one mailbox.
   */
  reaches(address: Address): boolean {
    const route = this.#table.find(address);
    if (route === undefined) return false;
    return route.pattern !== '*' || (route.outlet.reaches?.(address) ?? true);
  }

  async deliver(mail: MailObject, signal?: AbortSignal): Promise<readonly RecipientOutcome[]> {
    const table = await this.refreshed();
    const consignments = consign(mail, table);
    const log = this.#log;
    return deliverSplit(mail, { consignments, leftovers: this.#leftovers, log }, signal);
  }

  /** The table as the file says now; the last good one if the file is wrong, which is logged once. */
  async refreshed(): Promise<RouteTable<Outlet>> {
    if (this.#config.lines(this.#file) !== this.#lines)
      await (this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined)));
    return this.#table;
  }

  async #refresh(): Promise<void> {
    this.#lines = this.#config.lines(this.#file);
    const opening = openingAnew(this.#table.outlets(), (spec, place) => this.#outlets.open(spec, place));
    try {
      const table = this.#parse(opening.open);
      await opening.ready();
      this.#table = table;
    } catch (cause) {
      const causes: readonly unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
      for (const each of causes) this.#log.error(`${placed(each)}; the last good routes stay`);
    }
  }

  #parse(open: (words: string, place: Place) => Outlet): RouteTable<Outlet> {
    const file = this.#config.placeOf(this.#file);
    return RouteTable.parse(this.#config.linesWithPlaces(this.#file), file, open);
  }
}

interface Known {
  readonly table: RouteTable<Outlet>;
  readonly outlets: Set<Outlet | undefined>;
  count: number;
  last: Recipient | undefined;
}

/**
 * The outlets of the recipients a transaction has. Each recipient is looked up once: with a look at all of them for each
 * new one, a client that names thousands would buy millions of look-ups with them.
 */
class Destinations {
  readonly #known = new WeakMap<Transaction, Known>();

  of(transaction: Transaction, table: RouteTable<Outlet>): ReadonlySet<Outlet | undefined> {
    const { recipients } = transaction;
    let known = this.#known.get(transaction);
    // Routes change, and recipients may be taken back: then the last one that was seen stands elsewhere.
    if (known?.table !== table || recipients[known.count - 1] !== known.last) {
      known = { table, outlets: new Set(), count: 0, last: undefined };
      this.#known.set(transaction, known);
    }
    for (; known.count < recipients.length; known.count++) {
      known.last = recipients[known.count]!;
      known.outlets.add(table.find(known.last.address)?.outlet);
    }
    return known.outlets;
  }
}

function placed(cause: unknown): string {
  const { message } = cause as Error;
  if (!(cause instanceof ConfigProblem)) return message;
  const { file, line } = cause.place;
  return `${file}${line === undefined ? '' : `:${line}`}: ${message}`;
}

/**
 * Recipients by outlet: those without a route first, so that no recipient has the message when they are refused, then
 * in the order of the routes.
 */
function consign({ recipients }: MailObject, table: RouteTable<Outlet>): Consignment[] {
  const indexes = new Map<Outlet, number[]>(
    [NOWHERE, ...table.outlets().values()].map((outlet) => [outlet, []]),
  );
  recipients.forEach(({ address }, index) =>
    indexes.get(table.find(address)?.outlet ?? NOWHERE)!.push(index),
  );
  return [...indexes].flatMap(([outlet, some]) => (some.length === 0 ? [] : [{ outlet, indexes: some }]));
}

/** Where recipients without a route go. */
const NOWHERE: Outlet = {
  deliver({ recipients }) {
    const reply = { code: 550, status: '5.1.2', lines: dsn.addrBadDestSystem().lines };
    return Promise.resolve(recipients.map(() => ({ kind: 'refused', reply, hop: undefined })));
  },
};

/** The outlets of a table that is being made, those of the table before it used again: they may hold connections. */
function openingAnew(
  before: ReadonlyMap<string, Outlet>,
  open: (words: string, place: Place) => OpenedOutlet,
): { open: (words: string, place: Place) => Outlet; ready: () => Promise<unknown> } {
  const opened: OpenedOutlet[] = [];
  return {
    open(words, place) {
      const kept = before.get(words);
      if (kept !== undefined) return kept;
      const outlet = open(words, place);
      opened.push(outlet);
      return outlet;
    },
    ready: () => Promise.all(opened.map(({ ready }) => ready)),
  };
}
