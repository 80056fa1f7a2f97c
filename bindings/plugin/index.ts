/** The plugin API: everything a plugin may import. */
export { Address } from '../wire/address.ts';
export type { CommandContext, CommandOption, CommandStore, PluginCommand } from './command.ts';
export { ConfigProblem, type CompiledList, type Config, type Place, type PlacedLine } from './config.ts';
export type {
  Connection,
  MailOptions,
  NotifyEvent,
  Parameters,
  ProxiedClient,
  Recipient,
  RecipientOptions,
  TlsFacts,
  Transaction,
} from './connection.ts';
export type { CheckFinding, CheckList, HookContext, Immunity, Setup } from './context.ts';
export {
  commonOptions,
  definePlugin,
  EXTRA_CONNECTIONS,
  hooksOf,
  rejectOptions,
  type ImportedEntry,
  type OptionShape,
  type PluginDefinition,
  type RejectOptions,
} from './definition.ts';
export { bodyLines, type BodyLinesOptions } from './body-lines.ts';
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
} from './delivery.ts';
export { defineOutlet, logReport, queueInto, type OutletDefinition } from './outlet-plugin.ts';
export { deliverSplit, type Consignment, type SplitOptions } from './outlet-split.ts';
export type { OpenedOutlet, Outlets } from './outlets.ts';
export { requireQuarantine } from './quarantine-place.ts';
export { namedReportWay, defaultReportWay, type ReportWay, type ReportWayOptions } from './report-way.ts';
export { canonicalDomain, canonicalEntry, unicodeDomain } from '../wire/domain-name.ts';
export { dsn } from './dsn.ts';
export type { DirectoryEntry, FileKind, Files, KeptLines, StagedFile, StageOptions } from './files.ts';
export { error, fail, pass, skip, type FailOptions, type Finding } from './finding.ts';
export {
  HOOK_NAMES,
  type Answer,
  type AuthHookName,
  type Credentials,
  type Hook,
  type HookArguments,
  type HookName,
  type Hooks,
  type LogEvent,
  type LogRecord,
  type ReceivedParts,
  type Secret,
  type SessionHookName,
  type SetupHookName,
} from './hooks.ts';
export {
  connectProblem,
  type BeginOptions,
  type Connect,
  type ConnectionStream,
  type ConnectOptions,
  type ConnectTarget,
  type ConnectTls,
  type Duplex,
  type PeerCertificate,
  type SecuredStream,
  type SecureTls,
} from './connect.ts';
export { formatLogLine, formatNamedLine } from './log-line.ts';
export type { LogOutput, Logs, SyslogTarget } from './log-services.ts';
export type { ContentSink, CutThrough, CutThroughEnvelope, CutThroughTransaction } from './cut-through.ts';
export {
  HttpError,
  type Http,
  type HttpClient,
  type HttpClientOptions,
  type HttpFaultKind,
  type HttpHeaders,
  type HttpRequest,
  type HttpResponse,
  type HttpTls,
} from './http.ts';
export { parseMailDate } from './mail-date.ts';
export { LogLevel, parseLogLevel, type Log } from './log-level.ts';
export type { Header, LineEnds, Message } from './message.ts';
export { connectionNote, Notes, transactionNote, type Lifetime, type Note } from './notes.ts';
export { decimal, directoryMode, flag, logLevel, oneOf, timestamp, wholeNumber } from './option-kinds.ts';
export type { ProgramEnd, ProgramOrder, ProgramResult, Programs } from './programs.ts';
export type { Change, Store, Stores } from './store.ts';
export type { Spools, SpoolOptions } from './spool-services.ts';
export { strftime, type LocalTime } from './strftime.ts';
export type { System, SystemServices } from './system-services.ts';
export type {
  DnsAnswer,
  DnsAnswerFacts,
  DnsOptions,
  DnsService,
  MailExchanger,
  Resolver,
  TlsaRecord,
} from './resolver.ts';
export { refusal, RETURN_CODE_NAMES, verdictFor } from './verdict-name.ts';
export type { Clock, Services, TlsFiles, TlsService } from './services.ts';
export { connectionTask, transactionTask, type Task, type Tasks } from './tasks.ts';
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
  withoutClass,
  withReplyCode,
  type EnhancedStatus,
  type Verdict,
} from './verdict.ts';
export {
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
export {
  WorkerError,
  type WorkerCall,
  type WorkerFaultKind,
  type WorkerPool,
  type WorkerPoolOptions,
  type Workers,
} from './workers.ts';
export { z } from 'zod';
