/** Sessions inside WebSockets: `GET /ws` with the subprotocol `smtp`. RFC 6455 section 4.2. */

import type { IncomingMessage } from 'node:http';
import type { WebSocketServer } from 'ws';
import { requirePackage } from '../../package/optional-package.ts';
import type { HttpFront } from './http-front.ts';
import { HttpRefusal } from './http-refusal.ts';
import type { UpgradeRequest } from './smtp-tunnel.ts';
import { WebSocketStream } from './websocket-stream.ts';

export const WEBSOCKET_PATH = '/ws';
/** The protocol in the field Upgrade. */
export const WEBSOCKET = 'websocket';
const SUBPROTOCOL = 'smtp';
/** A message is kept whole before its octets go on. */
const MAX_MESSAGE_OCTETS = 262_144;
/** Pieces of one message: each takes more memory than its octets. */
const MAX_FRAGMENTS = 1_024;
const MAX_CHUNKS = 4_096;
/** Proxies take a connection for dead after a minute or more without an octet. */
const PROBE_EVERY_MS = 30_000;

export const webSocketRequired = (): HttpRefusal =>
  new HttpRefusal(426, 'ask for a WebSocket with "Connection: Upgrade" and "Upgrade: websocket"', {
    Upgrade: WEBSOCKET,
    Connection: 'Upgrade, close',
  });

export class WebSocketTunnels {
  readonly #server: WebSocketServer;
  readonly #streams = new Set<WebSocketStream>();

  /** Throws `Q_PACKAGE` where `ws` is not installed. */
  constructor(probeEveryMs = PROBE_EVERY_MS) {
    const { WebSocketServer } = requirePackage('ws');
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: MAX_MESSAGE_OCTETS,
      maxFragments: MAX_FRAGMENTS,
      maxBufferedChunks: MAX_CHUNKS,
      handleProtocols: () => SUBPROTOCOL,
    });
    setInterval(() => this.#streams.forEach((stream) => stream.probe()), probeEveryMs).unref();
  }

  open(front: HttpFront, { request, socket, head }: UpgradeRequest): void {
    requireProtocol(request);
    requireOrigin(request, front.settings.httpOrigins);
    const client = front.clientOf(request);
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      front.release(socket);
      const stream = new WebSocketStream(webSocket);
      this.#streams.add(stream);
      stream.once('close', () => this.#streams.delete(stream)).on('error', () => undefined);
      front.emit({ ...client, stream, outlivesStream: false, hops: [...client.hops, 'http', 'websocket'] });
    });
  }
}

/** A client that does not name it may want to speak something else. RFC 6455 section 1.9. */
function requireProtocol({ headers }: IncomingMessage): void {
  const offered = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? [];
  if (!offered.includes(SUBPROTOCOL))
    throw new HttpRefusal(400, `ask for the subprotocol with "Sec-WebSocket-Protocol: ${SUBPROTOCOL}"`);
}

/**
 * Browsers name the site whose page asks, and let any page ask any host: one could send mail from inside the network of whoever
 * looks at it (cross-site WebSocket hijacking). RFC 6455 section 10.2.
 */
function requireOrigin({ headers: { origin } }: IncomingMessage, origins: ReadonlySet<string>): void {
  if (origin !== undefined && !origins.has(origin))
    throw new HttpRefusal(403, 'pages of this site may not open a session here (http_origins)');
}
