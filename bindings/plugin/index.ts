/** The plugin API: everything a plugin may import. */
export { Address } from '../wire/address.ts';
export type { CommandContext, PluginCommand } from './command.ts';
export { ConfigProblem, pluginNames, type CompiledList, type Config, type Place } from './config.ts';
export type { Connection, ForwardedClient, NotifyEvent, Recipient, Transaction } from './connection.ts';
export type { CheckList, HookContext, Setup } from './context.ts';
export {
  definePlugin,
  EXTRA_CONNECTIONS,
  hooksOf,
  type ImportedEntry,
  type OptionShape,
  type PluginDefinition,
} from './definition.ts';
export { bodyLines, type Header, type LineEnds, type Message } from './message.ts';
export {
  mailObjectOf,
  verdictOf,
  verdictOrDecline,
  type DeliveryReport,
  type HopReply,
  type Outlet,
  type MailObject,
  type SendingClient,
  type RecipientOutcome,
  type OpenedOutlet,
} from './delivery.ts';
export { defineOutlet, logReport, queueInto } from './outlet-plugin.ts';
export {
  requireQuarantine,
  fingerprint,
  geoCountry,
  karmaHistory,
  naughty,
  naughtyRejectType,
  quarantine,
  whitelistHost,
  whitelistRecipients,
  whitelistSender,
  type Fingerprint,
} from './well-known-notes.ts';
export { dsn } from './dsn.ts';
export type { Files, FollowedFile } from './files.ts';
export { error, fail, pass, skip, type Finding } from './finding.ts';
export type { Answer, Credentials, Hook, HookName, LogEvent, ReceivedParts } from './hooks.ts';
export { connectProblem, type ConnectTarget, type Duplex, type PeerCertificate } from './connect.ts';
export { formatLogLine, formatNamedLine, LogLevel, parseLogLevel, type Log } from './log-level.ts';
export type { LogOutput } from './log-services.ts';
export type { CutThrough, CutThroughEnvelope, CutThroughTransaction } from './cut-through.ts';
export { HttpError, type HttpClient, type HttpRequest, type HttpResponse } from './http.ts';
export { connectionNote, transactionNote, type Note } from './notes.ts';
export { decimal, directoryMode, flag, logLevel, oneOf, timestamp, wholeNumber } from './option-kinds.ts';
export type { ProgramEnd, ProgramOrder } from './programs.ts';
export type { Change, Store } from './store.ts';
export type { SpoolOptions } from './spool-services.ts';
export { strftime } from './strftime.ts';
export type { DnsAnswer, DnsReceiver, Resolver, TlsaRecord } from './resolver.ts';
export {
  refusal,
  RETURN_CODE_NAMES,
  verdictFor,
  decline,
  declined,
  deny,
  denyDisconnect,
  denySoft,
  denySoftDisconnect,
  done,
  isDenial,
  ok,
  withoutClass,
  withReplyCode,
  type Verdict,
} from './verdict.ts';
export type { Clock, Services } from './services.ts';
export { connectionTask, transactionTask, type Task } from './tasks.ts';
export { WorkerError, type WorkerPool } from './workers.ts';
export { z } from 'zod';
