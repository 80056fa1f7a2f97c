/** Embedding: a server on acceptors of your own. */
export { ConfigError, QpsmtpdError, type ErrorCode, type Place } from './errors/error-classes.ts';
export type { Acceptor, Emit, Endpoint, IncomingConnection } from './intake/incoming-connection.ts';
export { MemoryAcceptor, type MemoryClient } from './intake/memory-acceptor.ts';
export { SocketAcceptor } from './intake/socket-acceptor.ts';
export { parseListen, printListen, type ListenSpec } from './intake/listen-spec.ts';
export { Server, type ServerOptions } from './server/server.ts';
export { version } from './package/package-root.ts';
