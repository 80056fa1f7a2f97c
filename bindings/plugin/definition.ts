import { z } from 'zod';
import type { PluginCommand } from './command.ts';
import type { HookContext, Setup } from './context.ts';
import type { CutThrough } from './cut-through.ts';
import type { Outlet } from './delivery.ts';
import { skip } from './finding.ts';
import type { Answer, Hooks, SessionHookName } from './hooks.ts';
import type { LogLevel } from './log-level.ts';
import { wholeNumber } from './option-kinds.ts';

/** The shape of a plugin's options: one key per option. */
export type OptionShape = z.ZodObject;

/** What stands in for a plugin that cannot answer. */
export const ON_ERROR = ['skip', 'defer'] as const;

/** Settings every plugin takes besides its own. */
export const commonOptions = z.object({
  /** `N` sets the level of the plugin's log lines, `+N` and `-N` shift it. */
  loglevel: z
    .string()
    .regex(/^[+-]?[0-7]$/, 'must be 0 to 7, or +N or -N')
    .optional(),
  /** When the plugin cannot answer: `skip` asks the next plugin, `defer` refuses for now. Overrules `onError`. */
  on_error: z.enum(ON_ERROR).optional(),
  /** Seconds an answer is waited for, in place of `plugin_timeout`. */
  timeout: wholeNumber(1, 86_400).optional(),
});

/** Settings of plugins that return findings. */
export const rejectOptions = z.object({
  /** 1 refuses, 0 only logs, `naughty` leaves it to the naughty plugin. */
  reject: z.enum(['0', '1', 'naughty']).optional(),
  /** How a refusal is sent: for good, for now, and whether the connection is closed with it. */
  reject_type: z
    .string()
    .toLowerCase()
    .pipe(z.enum(['perm', 'hard', 'temp', 'soft', 'disconnect', 'temp_disconnect']))
    .optional(),
});
export type RejectOptions = z.output<typeof rejectOptions>;

/** A value, and how long it is kept. */
export interface ImportedEntry {
  readonly value: string;
  readonly expiresInMs: number;
}

/** Connections beyond `--max-from-ip` that a plugin which limits them may grant to one address. */
export const EXTRA_CONNECTIONS = 3;

export interface PluginDefinition<S extends OptionShape = OptionShape> {
  /** The name that stands in `config/plugins`. */
  readonly name: string;
  /** One sentence for `qpsmtpd plugin list` and the documentation. */
  readonly about: string;
  /** The options of the plugin's line, checked at start. Leave out for a plugin without options. */
  readonly options?: S;
  /** Options that may be given by place alone, in this order. */
  readonly positional?: readonly (keyof z.output<S> & string)[];
  /** Options without a value; they get `1`. */
  readonly switches?: readonly (keyof z.output<S> & string)[];
  /**
   * The option, a list, that takes the first argument no other option takes and everything after it: a command, say.
   */
  readonly rest?: keyof z.output<S> & string;
  /** The plugin returns findings and takes `reject` and `reject_type`; these are its defaults, which may hang on its options. */
  readonly rejects?: RejectOptions | ((options: z.output<S>) => RejectOptions);
  /**
   * What becomes of the client when the plugin throws, rejects, is late, was taken out for failing too often, or
   * returns an `error` finding. `defer`, for plugins that guard (lists, content filters): the client is put off, for a
   * message nobody has checked must not pass as checked. `skip`, for what only observes (statistics, copies, marks):
   * the next plugin is asked. Without it a client is put off in `rcpt`, AUTH, and from the content on
   * (`data_headers_end` to `queue`), and the next plugin is asked in all other hooks.
   */
  readonly onError?: (typeof ON_ERROR)[number];
  /**
   * Clients and senders that checks are to spare (`context.immunity`) never reach the hooks: the log has `skip` with the reason,
   * and the next plugin is asked. `true` for all hooks of a session; names for these alone, where others have work to do for
   * everybody.
   */
  readonly skipsImmune?: true | readonly SessionHookName[];
  /**
   * Names of plugins that have to stand further down in `config/plugins`, or further up, if they stand there and are
   * asked in the same hook: what accepts too early keeps this one from being asked, say. Another order is a warning at
   * the start, and `qpsmtpd check` names both lines.
   */
  readonly before?: readonly string[];
  readonly after?: readonly string[];
  /**
   * For a plugin with a `logging` hook: the highest level of the lines it wants, -1 for none. Unwanted lines are not
   * even formatted. Without it, every line.
   */
  readonly logsUpTo?: (options: z.output<S>) => LogLevel | -1;
  /**
   * The plugin itself refuses addresses with too many connections (`connection.fromSameAddress`). The server then lets in
   * up to `EXTRA_CONNECTIONS` more than `--max-from-ip` says.
   */
  readonly limitsConnections?: true;
  /** For plugins that deliver, made by `defineOutlet`: the outlet alone, for those who use it in place of the hooks. */
  readonly outlet?: (setup: Setup<z.output<S>>) => Outlet;
  /** The outlet serves mailboxes, programs or services of this site alone: mail for other addresses can't leave by it. */
  readonly isLocal?: true;
  /**
   * For a plugin that takes transactions to a next hop while they happen, in place of a `queue` hook. Called once; only one
   * plugin may have it.
   */
  readonly cutThrough?: (setup: Setup<z.output<S>>) => CutThrough;
  /** What `qpsmtpd NAME` does, NAME being the name of the plugin. */
  readonly command?: PluginCommand;
  /**
   * For a plugin whose store takes the place of a database of the Perl daemon: an entry of that as it is stored here, for
   * `qpsmtpd store import`; undefined for what is none. A life that is over (not above 0) is not worth storing.
   */
  readonly importEntry?: (key: string, text: string, nowMs: number) => ImportedEntry | undefined;
  /** The hooks, or a function that makes them once the options are known. */
  readonly hooks: Hooks<z.output<S>> | ((setup: Setup<z.output<S>>) => Hooks<z.output<S>>);
}

/**
 * The hooks of another plugin, to build on: `hooks: (setup) => ({ ...hooksOf(parent, setup), mail(...) { ... } })`. The
 * setup's options have to hold the parent's; `options: parent.options.extend({ ... })` sees to that.
 */
export function hooksOf<S extends OptionShape>(
  parent: PluginDefinition<S>,
  setup: Setup<z.output<S>>,
): Hooks<z.output<S>> {
  const hooks = typeof parent.hooks === 'function' ? parent.hooks(setup) : parent.hooks;
  return sparingImmune(hooks, parent.skipsImmune);
}

/** The hooks as `skipsImmune` wants them asked; the same object without it. */
export function sparingImmune<O>(hooks: Hooks<O>, skipsImmune: PluginDefinition['skipsImmune']): Hooks<O> {
  if (skipsImmune === undefined) return hooks;
  const { begins, ...own } = hooks;
  const isSparing = (name: string): boolean =>
    skipsImmune === true || (skipsImmune as readonly string[]).includes(name);
  const guarded = (all: object, guard: (hook: SessionHook<O>) => SessionHook<O>): object =>
    Object.fromEntries(
      Object.entries(all as Record<string, SessionHook<O> | undefined>).map(([name, hook]) => [
        name,
        hook !== undefined && isSparing(name) ? guard(hook) : hook,
      ]),
    );
  return {
    ...guarded(own, sparing),
    ...(begins !== undefined && { begins: guarded(begins, beginUnlessImmune) }),
  } as Hooks<O>;
}

type SessionHook<O> = (context: HookContext<O>, a: unknown, b: unknown) => Answer | Promise<Answer>;

/** Outside sessions there is no client, and no `immunity`. */
function sparing<O>(hook: SessionHook<O>): SessionHook<O> {
  return (context, a, b) => {
    const { immunity } = context;
    return immunity === undefined ? hook(context, a, b) : skip(immunity);
  };
}

/** Silent: the log has the reason from the hook itself. */
function beginUnlessImmune<O>(begin: SessionHook<O>): SessionHook<O> {
  return (context, a, b) => (context.immunity === undefined ? begin(context, a, b) : undefined);
}

/** Declares a plugin; make it the default export of its file. */
export function definePlugin<S extends OptionShape = z.ZodObject<Record<never, never>>>(
  definition: PluginDefinition<S>,
): PluginDefinition<S> {
  return definition;
}
