/**
 * The parts of a session that are made when they are first needed. Most connections say little and last long: while a
 * client keeps silent, its session is to weigh little more than its socket.
 */

import type { Verb } from '../../bindings/core/contract.ts';
import { Address } from '../../bindings/wire/address.ts';
import type { PluginContext } from '../hooks/context.ts';
import { SessionTasks } from '../hooks/session-tasks.ts';
import { Chunk } from './bdat.ts';
import { Command } from './command.ts';
import { PathInput } from './path-input.ts';
import type { Summary } from './summary.ts';
import { UnreadInput } from './unread-input.ts';

export class SessionParts {
  #command: Command | undefined = undefined;
  #unread: UnreadInput | undefined = undefined;
  #path: PathInput | undefined = undefined;
  #chunk: Chunk | undefined = undefined;
  #contexts: (PluginContext | undefined)[] | undefined = undefined;
  #tasks: SessionTasks | undefined = undefined;
  #isOver = false;
  /** The address that the plugins are asked about, of MAIL or RCPT. */
  sender: Address = Address.null;
  recipient: Address = Address.null;
  readonly beganAt = performance.now();
  /** The transaction for the log; undefined while there is none, or where the log level leaves it out. */
  summary: Summary | undefined = undefined;
  /** The log has, or will have, a line of a transaction of this connection. */
  hasTransacted = false;
  /** Code of the last reply of 4yz or 5yz to the present command, and the plugin that decided about the command. */
  refusalCode = '';
  decidedBy: string | undefined = undefined;
  hasTimedOut = false;
  /** XCLIENT has named the client, which may be the one that speaks from its first message on. */
  isNamed = false;
  /** The client has tried to log in, in whatever form: its lines may be passwords from here on. */
  hasTriedAuth = false;
  /** Parts of the present command line that may be credentials; undefined if none can. */
  hidden: readonly string[] | undefined = undefined;

  /** The command that runs, or the last one of the chunk that is being read. */
  get command(): Command {
    return (this.#command ??= new Command());
  }

  /** Of the command that runs; undefined where none does. */
  protected get runningVerb(): Verb | undefined {
    return this.#command?.verb;
  }

  /** Input that waits until a step is through. */
  get unread(): UnreadInput {
    return (this.#unread ??= new UnreadInput());
  }

  /** What MAIL or RCPT is about while its steps run. */
  get path(): PathInput {
    return (this.#path ??= new PathInput());
  }

  /** The chunk of BDAT at hand, or the last one. */
  get chunk(): Chunk {
    return (this.#chunk ??= new Chunk());
  }

  get hasChunk(): boolean {
    return this.#chunk !== undefined;
  }

  /** Contexts the hook runner made for this session, by plugin. */
  get contexts(): (PluginContext | undefined)[] {
    return (this.#contexts ??= []);
  }

  /** What plugins have begun; aborted at once where it is begun after the end of the connection. */
  get tasks(): SessionTasks {
    if (this.#tasks === undefined) {
      this.#tasks = new SessionTasks();
      if (this.#isOver) this.#tasks.close();
    }
    return this.#tasks;
  }

  get hasUnread(): boolean {
    return this.#unread !== undefined && !this.#unread.isEmpty;
  }

  /** Octets of input kept: the chunk whose commands run, and what waits after it. */
  get inputOctets(): number {
    return (this.#command?.chunkOctets ?? 0) + (this.#unread?.octets ?? 0);
  }

  /** True if the octets from `takeUnread` change after `releaseInput`. */
  protected get isUnreadLent(): boolean {
    return this.#unread?.isLent === true;
  }

  /**
   * All input was read. No view may be left of the memory it lay in, which comes to hold what others send (a leak from one
   * session to the next): a command that is still referred to has no text from here on.
   */
  protected releaseInput(maxOctets: number): void {
    if (this.#unread?.isLent !== true) return;
    this.#command?.release();
    this.#unread.release(maxOctets);
  }

  /** Hands over the input that waits. */
  protected takeUnread(): Buffer | undefined {
    return this.#unread?.take();
  }

  /** The client will send nothing more. */
  protected endInput(): void {
    this.#unread?.end();
  }

  /** Lets go of the chunk, while steps may still ask what the command was. */
  protected releaseCommand(): void {
    this.#command?.release();
  }

  /** All commands of a chunk have run. With the last of them goes the chunk, up to 64 KiB that would stay alive. */
  protected dropCommand(): void {
    this.#command = undefined;
    this.forgetRefusal();
  }

  /** Another command begins, or the transaction may end by something else than a refusal. */
  forgetRefusal(): void {
    this.refusalCode = '';
    this.decidedBy = undefined;
  }

  protected endTransactionTasks(): void {
    this.#tasks?.endTransaction();
  }

  /** The connection is gone: aborts all work that plugins have begun. */
  protected closeTasks(): void {
    this.#isOver = true;
    this.#tasks?.close();
  }
}
