/** Tells whether a message that is marked for the quarantine gets there. */

import type { Config } from './config.ts';

const QUARANTINE = 'queue/quarantine';
const CUT_THROUGH = 'queue/cut-through';

/**
 * For plugins that mark messages with the note `quarantine` instead of refusing them; to be called at set-up. Throws with
 * the remedy unless `queue/quarantine` is the first `queue/` plugin: any other would deliver the marked message, and
 * `queue/cut-through` asks none.
 */
export function requireQuarantine(config: Config): void {
  const names = config.lines('plugins').map((line) => /^[^\s:]*/.exec(line)![0]);
  if (names.includes(CUT_THROUGH))
    throw new Error(`quarantine does not go together with ${CUT_THROUGH}: leave one of them out`);
  if (names.find((name) => name.startsWith('queue/')) !== QUARANTINE)
    throw new Error(
      `quarantine needs a line \`${QUARANTINE} OUTLET\` in plugins, in front of other queue plugins`,
    );
}
