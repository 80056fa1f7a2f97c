import {
  definePlugin,
  deny,
  flag,
  ok,
  withReplyCode,
  z,
  type Answer,
  type HookContext,
  type Log,
  type Verdict,
} from '../bindings/plugin/index.ts';

/** A longer help text would not fit into a screen or two. */
const MAX_OCTETS = 65_536;
const MAX_LINES = 100;
/** A reply line holds at most 512 octets, the code and the line end included. RFC 5321 section 4.5.3.1.5. */
const LINE_OCTETS = 480;

const options = z.object({
  not_implemented: flag().default(false),
  /** The files of this directory are the texts, each named as its command in lower case. */
  help_dir: z.string().optional(),
  /** Commands and the files with their texts, in pairs. */
  files: z.array(z.string()).default([]),
});
type Context = HookContext<z.output<typeof options>>;

/** Answers HELP with texts from files. RFC 5321 section 4.1.1.8. */
export default definePlugin({
  name: 'help',
  about: 'Answers HELP from files, or says that it is not implemented.',
  options,
  positional: ['files'],
  hooks({ log, options: { files, help_dir: directory } }) {
    const isBare = files.length === 0 && directory === undefined;
    const texts = pathsByCommand(files, log);
    const pathFor = (command: string): string | undefined =>
      texts.get(command) ??
      (directory === undefined && !isBare ? undefined : `${directory ?? './help'}/${command}`);
    return { help: (context, argument) => answer(context, argument.trim(), pathFor) };
  },
});

function answer(
  context: Context,
  argument: string,
  pathFor: (command: string) => string | undefined,
): Answer | Promise<Answer> {
  if (context.options.not_implemented) return withReplyCode(deny('Not implemented.'), 502);
  if (argument === '') return ok("Try 'HELP COMMAND' for getting help on COMMAND");
  // The word becomes the name of a file: nothing may lead out of the directory.
  if (!/^\w{1,64}$/.test(argument)) return withReplyCode(deny('Invalid command name'), 502);
  const command = argument.toLowerCase();
  const path = pathFor(command);
  return path === undefined ? noHelp(command) : readHelp(context, command, path);
}

async function readHelp({ log, services }: Context, command: string, path: string): Promise<Verdict> {
  try {
    const text = await services.files.read(path, { maxOctets: MAX_OCTETS });
    const lines = (text ?? '').split('\n').slice(0, MAX_LINES).map(printable);
    return lines.some((line) => line !== '') ? ok(lines) : noHelp(command);
  } catch (cause) {
    log.error(`failed to open help file for ${command}: ${String(cause)}`);
    return noHelp(command);
  }
}

const noHelp = (command: string): Verdict => ok(`No help available for SMTP command: ${command}`);

const printable = (line: string): string =>
  line
    .trimEnd()
    .replaceAll('\t', '    ')
    .replace(/[^ -~]/g, '?')
    .slice(0, LINE_OCTETS);

/** A name without a slash means a file in `help/`. */
function pathsByCommand(options: readonly string[], log: Pick<Log, 'warn'>): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (let index = 0; index < options.length; index += 2) {
    const [command = '', file] = options.slice(index, index + 2);
    if (file === undefined || !/^\w+$/.test(command) || !/^[\w./-]+$/.test(file)) {
      log.warn(`\`${command} ${file ?? ''}\` is no pair of a command and its file`);
    } else {
      paths.set(command.toLowerCase(), file.includes('/') ? file : `help/${file}`);
    }
  }
  return paths;
}
