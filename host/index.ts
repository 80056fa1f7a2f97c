/** Embedding: a server inside another program (`createServer`), or one on acceptors of your own (`Server`). */
export {
  createServer,
  type CloseOptions,
  type EmbeddedServer,
  type EmbeddedServerOptions,
  type GivenLog,
  type HandedClient,
} from './embed/embedded-server.ts';
export {
  withOptions,
  type ConfiguredPlugin,
  type GivenPlugin,
  type JudgeRecipient,
  type LineOptions,
  type MessageAnswer,
  type OnMessage,
  type ReceivedMail,
  type Recipients,
} from './embed/given-plugins.ts';
export type { ConfigFile, ConfigFiles } from './config/given-files.ts';
export type { GivenTls } from './tls/given-tls.ts';
export { ConfigError, QpsmtpdError, type ErrorCode, type Place } from './errors/error-classes.ts';
export type { Acceptor, Emit, Endpoint, IncomingConnection } from './intake/incoming-connection.ts';
export { MemoryAcceptor, type MemoryClient } from './intake/memory-acceptor.ts';
export { SocketAcceptor } from './intake/socket-acceptor.ts';
export { parseListen, printListen, type ListenSpec } from './intake/listen-spec.ts';
export { Server, type ServerOptions } from './server/server.ts';
export { version } from './package/package-root.ts';
