/** What is known of a client, and the session object in which the program sees it. */

import { hostname } from 'node:os';
import type { NetSocket } from '../intake/handover-acceptor.ts';
import { endpoint, type IncomingConnection } from '../intake/incoming-connection.ts';
import type { CipherFacts } from '../tls/program-tls.ts';
import type { SMTPServerConnectionInfo, SMTPServerOptions, SMTPServerSession } from './types.ts';

type Values = Map<string, string | number | false>;

export abstract class ConnectionFacts {
  abstract readonly id: string;
  /** Of this host, in replies. */
  readonly name: string;
  /** One object for the whole connection: programs keep things in it. */
  readonly session: SMTPServerSession;
  readonly xClient: Values = new Map();
  readonly xForward: Values = new Map();
  secure: boolean;
  tlsOptions: CipherFacts | false = false;
  localAddress = '';
  localPort = 0;
  remoteAddress = '';
  remotePort = 0;
  /** The address that the connection came from, before any proxy said more: trust goes by it. */
  peerAddress = '';
  clientHostname = '';
  openingCommand: string | false = false;
  hostNameAppearsAs: string | false = false;
  /** Messages so far. */
  transactions = 0;
  /** Places in `envelope.rcptTo` by address in lower case. */
  readonly recipientPlaces = new Map<string, number>();
  /** What the memory budget was told of the recipients. */
  protected weight = 0;
  readonly #options: SMTPServerOptions;

  constructor(options: SMTPServerOptions) {
    this.#options = options;
    this.name = options.name || hostname();
    this.secure = options.secure === true;
    // `resetSession` fills in the rest before the program sees it.
    this.session = { secure: this.secure } as SMTPServerSession;
  }

  /** A Unix socket has no address. Our end is that of the socket, whatever a proxy says. */
  takeEnds({ remote, local, stream }: IncomingConnection): void {
    const isPath = remote.path !== undefined;
    const { localAddress = local.address, localPort = local.port } = stream as Partial<NetSocket>;
    this.localAddress = isPath ? '' : endpoint(localAddress, localPort).address;
    this.localPort = localPort;
    this.remoteAddress = this.peerAddress = isPath ? '' : remote.address;
    this.remotePort = remote.port;
    this.resetSession();
  }

  /** A new transaction: as after RSET. */
  resetSession(): void {
    const { session } = this;
    Object.assign(session, {
      localAddress: this.localAddress,
      localPort: this.localPort,
      remoteAddress: this.remoteAddress,
      remotePort: this.remotePort,
      clientHostname: this.clientHostname,
      openingCommand: this.openingCommand,
      hostNameAppearsAs: this.hostNameAppearsAs,
      xClient: this.xClient,
      xForward: this.xForward,
      transmissionType: this.transmissionType,
      tlsOptions: this.tlsOptions,
      envelope: { mailFrom: false, rcptTo: [], requireTLS: false, bodyType: '7bit', smtpUtf8: false },
      transaction: this.transactions + 1,
    });
    if (this.#options.hideDSN === false) session.envelope.dsn = { ret: null, envid: null };
    this.recipientPlaces.clear();
    this.resetWeight();
  }

  protected abstract resetWeight(): void;
  abstract takesWeight(octets: number): boolean;

  /** Without a name, the address in brackets. */
  setClientHostname(name: string): void {
    this.clientHostname = name.toLowerCase().replace(/\.$/, '') || `[${this.remoteAddress}]`;
  }

  get transmissionType(): string {
    const protocol = this.#options.lmtp === true ? 'LMTP' : 'SMTP';
    const extended = this.openingCommand === 'EHLO' ? 'E' : '';
    return `${extended}${protocol}${this.secure ? 'S' : ''}${this.session.user ? 'A' : ''}`;
  }

  info(): SMTPServerConnectionInfo {
    const { id, localAddress, localPort, remoteAddress, remotePort, hostNameAppearsAs, clientHostname } =
      this;
    return { id, localAddress, localPort, remoteAddress, remotePort, hostNameAppearsAs, clientHostname };
  }
}
