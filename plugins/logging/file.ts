import {
  definePlugin,
  LogLevel,
  logLevel,
  strftime,
  z,
  type LogOutput,
  type Services,
} from '../../bindings/plugin/index.ts';

/** Appends the log to a file, or hands it to a command; the name may hold the date, and the session. */
export default definePlugin({
  name: 'logging/file',
  about: 'Writes log lines up to a level (LOGWARN) to a file or to a command.',
  options: z.object({
    loglevel: logLevel().default(LogLevel.WARN),
    nosplit: z.string().optional(),
    reopen: z.string().optional(),
    tsformat: z.string().default('%a %b %d %T %Y'),
    path: z.array(z.string()).min(1, 'a path or `|COMMAND` is missing'),
  }),
  switches: ['nosplit', 'reopen'],
  rest: 'path',
  logsUpTo: ({ loglevel }) => loglevel,
  hooks({ options, services }) {
    const { nosplit, reopen, tsformat, path } = options;
    const pattern = path.join(' ');
    const isPerSession = nosplit !== undefined || reopen !== undefined || /%i/.test(pattern);
    const outputs = new Outputs(pattern, services);
    // Nothing is opened before the first line; but `check` hears of the file.
    outputs.for(undefined);
    const head = `${services.system.hostName}[${services.system.processId}]:`;
    return {
      ...(isPerSession && {
        connect: ({ connection }) => outputs.begin(connection.id),
        'post-connection': ({ connection }) => outputs.end(connection.id),
      }),
      logging(_, { connectionId, text }) {
        const stamp = strftime(tsformat, outputs.now());
        outputs.for(connectionId).write(`${stamp} ${head} ${text}`);
      },
    };
  },
});

/** The output of the moment, and those that sessions keep to themselves. */
class Outputs {
  readonly #pattern: string;
  readonly #services: Services;
  /** By connection; undefined until the first line. */
  readonly #sessions = new Map<string, { readonly id: string; output: LogOutput | undefined }>();
  #current: LogOutput | undefined = undefined;
  #currentName = '';
  #count = 0;

  constructor(pattern: string, services: Services) {
    this.#pattern = pattern;
    this.#services = services;
  }

  now() {
    const { clock, system } = this.#services;
    return system.localTime(clock.now());
  }

  begin(connectionId: string): void {
    const { clock, system } = this.#services;
    const seconds = Math.floor(clock.now() / 1_000);
    const id = `${seconds}-${String(system.processId).padStart(4, '0')}-${++this.#count}`;
    this.#sessions.set(connectionId, { id, output: undefined });
  }

  end(connectionId: string): void {
    this.#sessions.get(connectionId)?.output?.close();
    this.#sessions.delete(connectionId);
  }

  for(connectionId: string | undefined): LogOutput {
    const session = connectionId === undefined ? undefined : this.#sessions.get(connectionId);
    if (session !== undefined) return (session.output ??= this.#open(this.#name(session.id)));
    const name = this.#name('parent');
    if (this.#current !== undefined && name === this.#currentName) return this.#current;
    this.#current?.close();
    this.#currentName = name;
    return (this.#current = this.#open(name));
  }

  #name(sessionId: string): string {
    return strftime(this.#pattern.replaceAll('%i', sessionId), this.now());
  }

  #open(name: string): LogOutput {
    const { logs } = this.#services;
    const [, command] = /^\s*\|(.*)$/s.exec(name) ?? [];
    return command === undefined ? logs.file(name) : logs.command(command);
  }
}
