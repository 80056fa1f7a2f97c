/**
 * What nginx' mail proxy asks before it hands a client over (`auth_http`): where to, and for submission whether the password is
 * right. The AUTH plugins are asked in a session inside this process, so that their limits, delays and log are those of any other.
 */

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { isIP } from '../../../bindings/wire/ip-address.ts';
import { addressLiteral } from '../../injection/requests.ts';
import { SmtpDialogue, type SmtpReply } from '../../injection/smtp-dialogue.ts';
import type { NginxAuthOptions } from '../../intake/http-options.ts';
import { connectInMemory } from '../../intake/memory-acceptor.ts';
import { isProxy, tlsByProxy, type HttpClient } from './http-client.ts';
import type { HttpFront, Routes } from './http-front.ts';
import { HttpRefusal } from './http-refusal.ts';

const PATH = '/nginx-auth';
/** Seconds until nginx lets a client that was refused say something else; without it the connection would end. */
const WAIT_SECONDS = '3';

/** The answer: nginx looks at fields alone, of a response with status 200. */
type Answer = Readonly<Record<string, string>>;

export const nginxAuth: Routes = (app, front) => {
  const { nginxAuth: options } = front.http;
  if (options === undefined) return;
  app.get(PATH, async (request, reply) => answer(front, options, request, reply));
};

async function answer(
  front: HttpFront,
  options: NginxAuthOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { headers } = request;
  requireNginx(front, request);
  const protocol = textOf(headers, 'auth-protocol');
  if (protocol !== 'smtp')
    throw new HttpRefusal(400, `Auth-Protocol is not smtp: ${PATH} is for nginx' mail proxy`);
  const refused = await judge(front, request, reply.raw);
  return reply.headers(refused ?? destination(options, headers)).send();
}

/** One that shows a token, if there are tokens for it, else a proxy in `http_proxies`: this finds out passwords. */
function requireNginx(front: HttpFront, { raw, headers }: FastifyRequest): void {
  const { httpTokens, httpProxies } = front.settings;
  if (httpTokens.serves('nginx-auth')) {
    const token = httpTokens.find(textOf(headers, 'x-auth-key'));
    if (token?.scopes.has('nginx-auth') !== true)
      throw new HttpRefusal(403, 'X-Auth-Key has to be a token with the scope nginx-auth (http_tokens)');
  } else if (!isProxy(front.connectionOf(raw).remote, httpProxies)) {
    throw new HttpRefusal(403, 'only servers in http_proxies may ask, or those with a token in X-Auth-Key');
  }
}

function destination(
  { port, tlsPort = port, host = '127.0.0.1' }: NginxAuthOptions,
  headers: IncomingHttpHeaders,
): Answer {
  return { 'Auth-Status': 'OK', 'Auth-Server': host, 'Auth-Port': String(isInTls(headers) ? tlsPort : port) };
}

const isInTls = (headers: IncomingHttpHeaders): boolean => textOf(headers, 'auth-ssl') === 'on';

/** Undefined: the client may go on. */
async function judge(
  front: HttpFront,
  { raw, headers }: FastifyRequest,
  response: ServerResponse,
): Promise<Answer | undefined> {
  const method = textOf(headers, 'auth-method');
  switch (method) {
    case 'none':
      // The session that follows asks all plugins: asked here, too, each would count the client twice.
      return undefined;
    case 'plain':
    case 'login':
      break;
    default:
      // With CRAM-MD5 nginx has chosen the challenge, and plugins could not tell that it is not an old one.
      return refusal(504, '5.5.4', 'Use AUTH PLAIN or AUTH LOGIN');
  }
  if (Number(textOf(headers, 'auth-login-attempt')) > front.settings.authFailures)
    return refusal(421, '4.7.0', 'Too many failed authentications');
  const user = decoded(textOf(headers, 'auth-user'));
  const password = decoded(textOf(headers, 'auth-pass'));
  if (user.includes(0) || password.includes(0)) return refusal(535, '5.7.8', 'Authentication failed');
  const client = clientIn(headers, front.connectionOf(raw));
  const attempt = { user, password, hello: helloIn(headers, client) };
  const said = await authenticate(front, client, attempt, response);
  return said.code === 235 ? undefined : answerOf(said);
}

/** nginx' client, at the front's listener: its service has the plugins. */
function clientIn(headers: IncomingHttpHeaders, connection: HttpClient): HttpClient {
  const address = textOf(headers, 'client-ip');
  if (isIP(address) === 0) throw new HttpRefusal(400, 'Client-IP is no IP address');
  const client: HttpClient = {
    ...connection,
    // It is us who says EHLO.
    listener: { ...connection.listener, isLmtp: undefined },
    hops: [...connection.hops, 'http', 'nginx-auth'],
    remote: { address, port: 0 },
  };
  delete client.host;
  delete client.tls;
  if (isInTls(headers))
    client.tls = tlsByProxy(textOf(headers, 'auth-ssl-protocol'), textOf(headers, 'auth-ssl-cipher'));
  return client;
}

const helloIn = (headers: IncomingHttpHeaders, { remote: { address } }: HttpClient): string => {
  const name = textOf(headers, 'auth-smtp-helo');
  return /^[!-~]{1,255}$/.test(name) ? name : addressLiteral(address);
};

interface Attempt {
  readonly user: Buffer;
  readonly password: Buffer;
  readonly hello: string;
}

/** The first reply that ends the attempt; 421 if nginx waits no longer. */
async function authenticate(
  front: HttpFront,
  client: HttpClient,
  { user, password, hello }: Attempt,
  response: ServerResponse,
): Promise<SmtpReply> {
  const dialogue = new SmtpDialogue(connectInMemory((intake) => front.emit(intake), client));
  response.once('close', () => dialogue.destroy());
  try {
    const greeting = await dialogue.reply();
    if (greeting.code !== 220) return greeting;
    const welcome = await dialogue.command(`EHLO ${hello}`);
    if (welcome.code !== 250) return welcome;
    const nul = Buffer.alloc(1);
    const response = Buffer.concat([nul, user, nul, password]).toString('base64');
    return await dialogue.command(`AUTH PLAIN ${response}`);
  } finally {
    dialogue.quit();
  }
}

/** Replies of the classic style have no status of their own. RFC 4954 section 6. */
function answerOf({ code, status, lines: [text = ''] }: SmtpReply): Answer {
  const known = code === 535 ? '5.7.8' : code === 454 ? '4.7.0' : `${code < 500 ? 4 : 5}.0.0`;
  return refusal(code, status ?? known, text);
}

/** Fields of HTTP hold printable ASCII, and a line of SMTP has its limit. RFC 5321 section 4.5.3.1.5. */
const refusal = (code: number, status: string, text: string): Answer => ({
  'Auth-Status': text.replace(/[^ -~]/g, '?').slice(0, 400) || 'Refused',
  'Auth-Error-Code': `${code} ${status}`,
  // Without a time to wait nginx ends the connection.
  ...(code === 421 ? {} : { 'Auth-Wait': WAIT_SECONDS }),
});

/** One value of a field that nginx sends once. */
const textOf = (headers: IncomingHttpHeaders, name: string): string => String(headers[name] ?? '');

/** nginx writes octets that a field could not hold as `%XX`, and `%` itself. */
const decoded = (text: string): Buffer =>
  Buffer.from(
    text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
