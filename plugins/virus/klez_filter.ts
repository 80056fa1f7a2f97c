import { bodyLines, definePlugin, deny } from '../../bindings/plugin/index.ts';

/** Messages with the worm are at least this large. */
const MIN_OCTETS = 60_000;
const FIRST_LINES = 41;

const TYPE = /^Content-type:.*(?:audio|application)/i;
/** The beginning of a Windows program in base64. */
const PROGRAM = 'TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQA';

/** Refuses messages with the worm Klez, by a program near the top that goes as sound or as an application. */
export default definePlugin({
  name: 'virus/klez_filter',
  about: 'Refuses messages with the worm Klez.',
  hooks: {
    data_post({ transaction: { message } }) {
      return message.octets < MIN_OCTETS ? undefined : search(bodyLines(message, { maxLines: FIRST_LINES }));
    },
  },
});

async function search(lines: AsyncIterable<string>) {
  let hasType = false;
  for await (const line of lines) {
    if (TYPE.test(line)) hasType = true;
    else if (hasType && line.startsWith(PROGRAM)) return deny('Klez Virus Detected');
  }
  return undefined;
}
