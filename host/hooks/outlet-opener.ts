import type { DeliveryReport, OpenedOutlet, Outlet, MailObject, Place } from '../../bindings/plugin/index.ts';
import type { Outlets } from '../../bindings/plugin/delivery.ts';
import { ConfigError } from '../errors/error-classes.ts';
import { messageOf, problemsOf, throwProblems, type LoadedOutlet } from './loaded-plugin.ts';
import { parsePluginLine, type PluginLine } from './plugin-line.ts';

/** How deep outlets may nest, such as a spool that delivers by routes: more is a circle. */
const MAX_NESTED = 8;

/** Keeps what the outlet needs until the function returned is called; undefined: nothing is ever closed. */
type BeginDelivery = () => (() => void) | undefined;

/** What one plugin opens. */
export class OutletOpener implements Outlets {
  readonly #place: Place;
  readonly #depth: number;
  readonly #load: (line: PluginLine) => Promise<LoadedOutlet>;
  readonly #beginDelivery: BeginDelivery;
  #opened: OpenedOutlet[] | undefined = [];

  /** `place`: the line of the plugin. `depth`: how many outlets it stands within. `load` finds and makes an outlet. */
  constructor(
    place: Place,
    depth: number,
    load: (line: PluginLine) => Promise<LoadedOutlet>,
    beginDelivery: BeginDelivery,
  ) {
    this.#beginDelivery = beginDelivery;
    this.#place = place;
    this.#depth = depth;
    this.#load = load;
  }

  open(spec: string, place = this.#place): OpenedOutlet {
    const opened = new LoadingOutlet(this.#begin(spec, place), this.#beginDelivery);
    this.#opened?.push(opened);
    return opened;
  }

  /** Waits for what was opened while the plugin was set up, or as soon as that was ready; throws what was wrong with it. */
  async settled(): Promise<void> {
    const results: PromiseSettledResult<void>[] = [];
    while (this.#opened !== undefined && this.#opened.length > 0)
      results.push(...(await Promise.allSettled(this.#opened.splice(0).map(({ ready }) => ready))));
    // What is opened later is the plugin's own business, and would otherwise be kept here for ever.
    this.#opened = undefined;
    throwProblems(
      results.flatMap((result) =>
        result.status === 'fulfilled'
          ? []
          : problemsOf(result.reason, (each) => new ConfigError(this.#place, messageOf(each))),
      ),
    );
  }

  async #begin(spec: string, place: Place): Promise<LoadedOutlet> {
    if (this.#depth >= MAX_NESTED) {
      const remedy = 'an outlet must not lead back to itself';
      throw new ConfigError(place, `\`${spec}\`: outlets nest more than ${MAX_NESTED} deep`, remedy);
    }
    const [name = ''] = spec.split(/[ \t]/, 1);
    if (name === '') throw new ConfigError(place, 'no outlet is named', 'such as `maildir /var/mail/in`');
    const text = name.includes('/') || name.startsWith('npm:') ? spec : `queue/${spec}`;
    return await this.#load(parsePluginLine({ text, place }));
  }
}

class LoadingOutlet implements OpenedOutlet {
  readonly ready: Promise<void>;
  readonly #loading: Promise<LoadedOutlet>;
  readonly #beginDelivery: BeginDelivery;
  #loaded: LoadedOutlet | undefined;

  constructor(loading: Promise<LoadedOutlet>, beginDelivery: BeginDelivery) {
    this.#beginDelivery = beginDelivery;
    this.#loading = loading;
    this.ready = loading.then((loaded) => void (this.#loaded = loaded));
    this.ready.catch(() => undefined);
  }

  get reaches(): Outlet['reaches'] {
    if (this.#loaded?.isLocal === true) return () => false;
    return this.#loaded?.outlet.reaches?.bind(this.#loaded.outlet);
  }

  async deliver(mail: MailObject, signal?: AbortSignal): Promise<DeliveryReport> {
    let outlet: Outlet;
    try {
      ({ outlet } = await this.#loading);
    } catch {
      const reply = { code: 451, status: '4.3.5', lines: ['the outlet is not configured'] };
      return mail.recipients.map(() => ({ kind: 'deferred', reply, hop: undefined }));
    }
    const end = this.#beginDelivery();
    try {
      return await outlet.deliver(mail, signal);
    } finally {
      end?.();
    }
  }
}
