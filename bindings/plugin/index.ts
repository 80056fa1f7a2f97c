/** The plugin API: everything a plugin may import. */
export { Address } from './address.ts';
export type { Config } from './config.ts';
export type { Connection, Parameters, Recipient, TlsFacts, Transaction } from './connection.ts';
export type { HookContext, Immunity, Setup } from './context.ts';
export {
  commonOptions,
  definePlugin,
  rejectOptions,
  type OptionShape,
  type PluginDefinition,
  type RejectOptions,
} from './definition.ts';
export { AddressList, type AddressListEntry, type AddressListOptions } from './address-list.ts';
export { dsn } from './dsn.ts';
export { error, fail, pass, skip, type FailOptions, type Finding } from './finding.ts';
export {
  HOOK_NAMES,
  type Answer,
  type Credentials,
  type Hook,
  type HookArguments,
  type HookName,
  type Hooks,
  type LogEvent,
  type ReceivedParts,
  type SessionHookName,
  type SetupHookName,
} from './hooks.ts';
export { formatLogLine } from './log-line.ts';
export { LogLevel, parseLogLevel, type Log } from './log-level.ts';
export type { Header, LineEnds, Message } from './message.ts';
export { connectionNote, Notes, transactionNote, type Lifetime, type Note } from './notes.ts';
export { directoryMode, logLevel, wholeNumber } from './option-kinds.ts';
export { compilePattern, type Pattern } from './pattern.ts';
export type { Clock, Maildirs, MaildirDelivery, ProgramResult, Programs, Services } from './services.ts';
export {
  decline,
  declined,
  deny,
  denyDisconnect,
  denySoft,
  denySoftDisconnect,
  done,
  isDenial,
  nameOf,
  ok,
  ReturnCode,
  type Verdict,
} from './verdict.ts';
export { naughty, naughtyRejectType, whitelistHost, whitelistSender } from './well-known-notes.ts';
export { z } from 'zod';
