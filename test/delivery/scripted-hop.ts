/** A next hop that does what a test tells it to, on a real socket of the loopback interface. */

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { TLSSocket, type SecureContext } from 'node:tls';

/** What the hop says to a verb; `[close]` and `[silence]` say nothing. Line ends within are made CRLF. */
export type Say = string | ((argument: string, talk: HopSide) => string);

export interface Script {
  /** By verb in upper case, `GREETING` for the banner, `END` for the end of the content. */
  readonly says?: Readonly<Record<string, Say>>;
  /** Lines of the reply to EHLO. */
  readonly offers?: readonly string[];
  /** For STARTTLS; with `isImplicit` from the first octet. */
  readonly tls?: SecureContext | undefined;
  readonly isImplicit?: boolean;
  /** LMTP: how many replies the end of the content has is what `END` is asked for, one recipient at a time. */
  readonly isLmtp?: boolean;
  /** A chunk for nobody is refused at once and its octets are read as commands, as Exchange 2000 did. */
  readonly isForgetful?: boolean;
}

/** What came in one transaction. */
export interface Received {
  readonly lines: string[];
  content: string;
}

export class HopSide {
  readonly received: Received = { lines: [], content: '' };
  accepted: string[] = [];
  socket: Socket;
  constructor(socket: Socket) {
    this.socket = socket;
  }
}

export class ScriptedHop {
  /** One for each connection, in their order. */
  readonly talks: HopSide[] = [];
  script: Script;
  readonly #server: Server;

  private constructor(script: Script) {
    this.script = script;
    this.#server = createServer({ allowHalfOpen: false }, (socket) => this.#serve(socket));
  }

  static async start(
    script: Script = {},
    where: { path?: string; port?: number } = {},
  ): Promise<ScriptedHop> {
    const hop = new ScriptedHop(script);
    await new Promise<void>((resolve) => {
      if (where.path === undefined) hop.#server.listen(where.port ?? 0, '127.0.0.1', resolve);
      else hop.#server.listen(where.path, resolve);
    });
    return hop;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Command lines over all connections. */
  get lines(): string[] {
    return this.talks.flatMap(({ received }) => received.lines);
  }

  get contents(): string[] {
    return this.talks.map(({ received }) => received.content);
  }

  dropConnections(): void {
    for (const { socket } of this.talks) socket.destroy();
  }

  async close(): Promise<void> {
    this.dropConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    const talk = new HopSide(socket);
    this.talks.push(talk);
    const { tls, isImplicit } = this.script;
    if (isImplicit === true) talk.socket = secured(socket, tls!);
    this.#listen(talk);
    this.#answer(talk, 'GREETING', '', '220 hop.test ESMTP');
  }

  #listen(talk: HopSide): void {
    let rest = '';
    let chunk = 0;
    let isLast = false;
    let isData = false;
    const { socket } = talk;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('data', (octets) => {
      rest += octets.toString('latin1');
      for (;;) {
        if (isData) {
          const end = rest.startsWith('.\r\n') ? 0 : rest.indexOf('\r\n.\r\n') + 2;
          if (end === 1) return;
          talk.received.content += rest.slice(0, end).replace(/^\.\./gm, '.');
          rest = rest.slice(end + 3);
          isData = false;
          this.#end(talk);
        } else if (chunk > 0) {
          const part = rest.slice(0, chunk);
          talk.received.content += part;
          rest = rest.slice(part.length);
          chunk -= part.length;
          if (chunk > 0) return;
          if (isLast) this.#end(talk);
          else this.#answer(talk, 'BDAT', '', '250 chunk taken');
        } else {
          const end = rest.indexOf('\r\n');
          if (end < 0) return;
          const line = rest.slice(0, end);
          rest = rest.slice(end + 2);
          talk.received.lines.push(line);
          const [verb = '', ...words] = line.split(' ');
          const said = this.#command(talk, verb.toUpperCase(), words.join(' '));
          isData = said === '354';
          if (verb === 'BDAT' && this.script.isForgetful === true && talk.accepted.length === 0) {
            this.#answer(talk, 'BDAT', '', '503 5.5.1 no valid recipients');
          } else if (verb === 'BDAT') {
            chunk = Number(words[0]);
            isLast = words[1] === 'LAST';
            if (chunk === 0 && isLast) this.#end(talk);
          }
          if (said === 'tls') return;
        }
      }
    });
  }

  #command(talk: HopSide, verb: string, argument: string): string {
    const { offers = [], tls } = this.script;
    if (verb === 'BDAT') return '';
    if (verb === 'MAIL' || verb === 'RSET') talk.accepted = [];
    const usual: Readonly<Record<string, string>> = {
      EHLO: ['hop.test', ...offers]
        .map((line, index, all) => `250${index < all.length - 1 ? '-' : ' '}${line}`)
        .join('\n'),
      LHLO: ['hop.test', ...offers]
        .map((line, index, all) => `250${index < all.length - 1 ? '-' : ' '}${line}`)
        .join('\n'),
      DATA: talk.accepted.length > 0 ? '354 go ahead' : '554 5.5.1 no valid recipients',
      STARTTLS: '220 ready',
      QUIT: '221 bye',
    };
    const said = this.#answer(talk, verb, argument, usual[verb] ?? '250 2.0.0 ok');
    if (verb === 'RCPT' && said.startsWith('25')) talk.accepted.push(argument);
    if (verb === 'QUIT') talk.socket.end();
    if (verb === 'STARTTLS' && said.startsWith('220')) {
      talk.socket.removeAllListeners('data');
      talk.socket = secured(talk.socket, tls!);
      this.#listen(talk);
      return 'tls';
    }
    return said.slice(0, 3);
  }

  #end(talk: HopSide): void {
    for (const recipient of this.script.isLmtp === true ? talk.accepted : ['all'])
      this.#answer(talk, 'END', recipient, '250 2.0.0 queued as 4711');
  }

  #answer(talk: HopSide, verb: string, argument: string, usual: string): string {
    const say = this.script.says?.[verb] ?? usual;
    const text = typeof say === 'string' ? say : say(argument, talk) || usual;
    if (text === '[close]') talk.socket.destroy();
    else if (text !== '[silence]') talk.socket.write(`${text.replaceAll('\n', '\r\n')}\r\n`);
    return text;
  }
}

const secured = (socket: Socket, secureContext: SecureContext): TLSSocket =>
  new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => undefined);
