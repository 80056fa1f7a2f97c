/** Outlets by the text that names and configures them, for plugins that hand messages on to any outlet the operator names. */

import type { Place } from './config.ts';
import type { Outlet } from './delivery.ts';

/** An outlet that may still be loading; until it is ready, what it `reaches` is unknown. */
export interface OpenedOutlet extends Outlet {
  /**
   * Resolves once the outlet can be used; rejects with the place and the remedy if its text is wrong. While a plugin is
   * set up the server waits for all it has opened, and does not start if one fails: only a plugin that opens outlets
   * later has to look at this. Its rejection need not be handled.
   */
  readonly ready: Promise<void>;
}

export interface Outlets {
  /**
   * The outlet of the plugin `queue/NAME` under the same options: `smtp-forward 10.0.0.5 25`. A NAME with a slash in it is
   * the plugin's own. `place` is where the text stands, for errors; without it, the line of the plugin that asks.
   */
  open(spec: string, place?: Place): OpenedOutlet;
}
