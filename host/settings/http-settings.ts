/** The settings of listeners for HTTP. */

import { HttpTokens } from './http-tokens.ts';
import { addressRanges, allLines, count, octets, type Setting } from './setting-kinds.ts';

/** `https://mail.example.org`, as browsers write it. RFC 6454 section 6.1. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@]+$/;

function readOrigins(lines: readonly { readonly text: string }[]): ReadonlySet<string> {
  for (const { text } of lines)
    if (!ORIGIN.test(text)) throw new Error(`'${text}' is no origin such as https://mail.example.org`);
  return new Set(lines.map(({ text }) => text));
}

/** Lines of a file as one value; without the file there is `nothing`. */
function whole<T>(
  about: Parameters<typeof allLines>[0],
  parse: Setting<T>['parse'],
  nothing: T,
  isSecret = false,
): Setting<T> {
  return { ...allLines(about), parse, fallback: () => nothing, isSecret };
}

export const HTTP_SETTINGS = {
  httpProxies: addressRanges({
    file: 'http_proxies',
    about:
      'Web servers and balancers in front of an `http://` listener whose X-Forwarded-For or Forwarded says who the client is, by the address they connect from; each of their requests for a session has to say it. Without the file: this host may. `unix` stands for clients on Unix sockets.',
    takesEffect: 'next request',
  }),
  httpOrigins: whole<ReadonlySet<string>>(
    {
      file: 'http_origins',
      about:
        'Web sites whose pages may open a WebSocket; without the file none may. Clients that are no browsers name no origin, and are let in.',
      takesEffect: 'next request',
      form: 'origins such as `https://mail.example.org`, one a line',
    },
    readOrigins,
    new Set(),
  ),
  httpTokens: whole(
    {
      file: 'http_tokens',
      about:
        'Secrets of programs that ask an `http://` listener for more than a session. Others on this host may not be able to read or write the file.',
      takesEffect: 'next request',
      form: '`TOKEN SCOPE… [as=USER]`, one a line; scopes are `inject`, `relay` (injected messages may go anywhere) and `nginx-auth`',
    },
    (lines) => HttpTokens.compile(lines),
    HttpTokens.compile([]),
    true,
  ),
  httpBodyLimit: octets({
    file: 'http_body_limit',
    about:
      'Largest request for an injection in JSON, which is read into memory as a whole; two of that size at a time. Raw messages are as large as `databytes` lets them.',
    takesEffect: 'next request',
    otherwise: 16_777_216,
    min: 1_000,
    max: 67_108_864,
  }),
  maxHttpConnections: count({
    file: 'max_http_connections',
    isOfProcess: true,
    about:
      'Connections that carry no session, or none yet, to each `http://` listener in one process; further ones wait for five seconds and are then answered with 503. Sessions inside of them count as connections, as all others do.',
    takesEffect: 'next connection',
    otherwise: 256,
    min: 1,
    max: 1_000_000,
  }),
};
