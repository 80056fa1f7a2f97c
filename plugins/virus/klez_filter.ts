import {
  bodyLines,
  definePlugin,
  deny,
  oneOf,
  quarantine,
  requireQuarantine,
  z,
} from '../../bindings/plugin/index.ts';

/** Messages with the worm are at least this large. */
const MIN_OCTETS = 60_000;
const FIRST_LINES = 41;

const TYPE = /^Content-type:.*(?:audio|application)/i;
/** The beginning of a Windows program in base64. */
const PROGRAM = 'TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQA';
const FOUND = 'Klez Virus Detected';

/** Refuses or puts aside messages with the worm Klez, by a program near the top that goes as sound or as an application. */
export default definePlugin({
  name: 'virus/klez_filter',
  about: 'Refuses messages with the worm Klez, or puts them into the quarantine.',
  options: z.object({ action: oneOf(['deny', 'quarantine']).default('deny') }),
  onError: 'defer',
  hooks({ config, options }) {
    if (options.action === 'quarantine') requireQuarantine(config);
    return {
      async data_post({ log, transaction: { message, notes } }) {
        if (message.octets < MIN_OCTETS) return undefined;
        if (!(await hasWorm(bodyLines(message, { maxLines: FIRST_LINES })))) return undefined;
        if (options.action === 'deny') return deny(FOUND);
        log.notice(FOUND);
        // The plugin that marked it before has said why.
        if (notes.get(quarantine) === undefined) notes.set(quarantine, FOUND);
        return undefined;
      },
    };
  },
});

async function hasWorm(lines: AsyncIterable<string>): Promise<boolean> {
  let hasType = false;
  for await (const line of lines) {
    if (TYPE.test(line)) hasType = true;
    else if (hasType && line.startsWith(PROGRAM)) return true;
  }
  return false;
}
