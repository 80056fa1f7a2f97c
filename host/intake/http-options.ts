/** What a listener for HTTP offers, as its options say: `http://127.0.0.1:8025 upgrade=smtp websocket=yes inject=raw`. */

import { isIP } from 'node:net';
import type { OptionList } from './option-list.ts';

/** Ways to hand in a message by a request: its octets, KumoMTA's form, a form of our own. */
export const INJECTIONS = ['raw', 'kumo', 'json'] as const;
export type Injection = (typeof INJECTIONS)[number];

/** Where nginx' mail proxy is to send the clients it asks about. */
export interface NginxAuthOptions {
  readonly port: number;
  /** For clients inside TLS; undefined: `port`. */
  readonly tlsPort?: number;
  /** An address: nginx looks up no names. Undefined: 127.0.0.1. */
  readonly host?: string;
}

export interface HttpOptions {
  /** `Upgrade: smtp` turns a request for `/smtp` into a session. RFC 9110 section 7.8. */
  readonly upgrade: boolean;
  /** A WebSocket at `/ws` carries a session. RFC 6455. */
  readonly websocket: boolean;
  /** CONNECT, whatever it asks for, leads to a session here. RFC 9110 section 9.3.6. */
  readonly connect: boolean;
  readonly inject: readonly Injection[];
  readonly nginxAuth?: NginxAuthOptions;
}

const NGINX_AUTH = /^port=\d{1,5}(,tls-port=\d{1,5})?(,host=[0-9A-Fa-f.:]+)?$/;

export function takeHttp(options: OptionList): HttpOptions {
  const upgrade = options.take('upgrade', /^smtp$/, 'upgrade=smtp') !== undefined;
  const websocket = options.take('websocket', /^yes$/, 'websocket=yes') !== undefined;
  const connect = options.take('connect', /^yes$/, 'connect=yes') !== undefined;
  const inject = options.take(
    'inject',
    /^(raw|kumo|json)(,(raw|kumo|json)){0,2}$/,
    'such as inject=raw,json',
  );
  const nginx = options.take('nginx-auth', NGINX_AUTH, 'such as nginx-auth=port=2525,tls-port=2526,host=::1');
  return {
    upgrade,
    websocket,
    connect,
    inject: INJECTIONS.filter((kind) => inject?.split(',').includes(kind)),
    ...(nginx === undefined ? {} : { nginxAuth: readNginxAuth(nginx) }),
  };
}

function readNginxAuth(text: string): NginxAuthOptions {
  const given = new Map(text.split(',').map((part) => part.split('=', 2) as [string, string]));
  const tlsPort = given.get('tls-port');
  const host = given.get('host');
  return {
    port: Number(given.get('port')),
    ...(tlsPort === undefined ? {} : { tlsPort: Number(tlsPort) }),
    ...(host === undefined ? {} : { host }),
  };
}

/** What is wrong with the options as a whole; undefined: nothing. */
export function faultOf({ upgrade, websocket, connect, inject, nginxAuth }: HttpOptions): string | undefined {
  if (!upgrade && !websocket && !connect && inject.length === 0 && nginxAuth === undefined)
    return 'it offers nothing: add upgrade=smtp, websocket=yes, connect=yes, inject=… or nginx-auth=…';
  if (nginxAuth === undefined) return undefined;
  const { port, tlsPort = port, host = '::1' } = nginxAuth;
  if ([port, tlsPort].some((each) => each < 1 || each > 65_535))
    return 'a port of nginx-auth is out of range';
  return isIP(host) === 0 ? `"${host}" is no IP address: nginx looks up no names` : undefined;
}

/** As the line has it, with a blank in front of each option. */
export function printHttp({ upgrade, websocket, connect, inject, nginxAuth }: HttpOptions): string {
  const nginx =
    nginxAuth === undefined
      ? ''
      : ` nginx-auth=port=${nginxAuth.port}${nginxAuth.tlsPort === undefined ? '' : `,tls-port=${nginxAuth.tlsPort}`}${nginxAuth.host === undefined ? '' : `,host=${nginxAuth.host}`}`;
  return [
    upgrade ? ' upgrade=smtp' : '',
    websocket ? ' websocket=yes' : '',
    connect ? ' connect=yes' : '',
    inject.length === 0 ? '' : ` inject=${inject.join(',')}`,
    nginx,
  ].join('');
}
