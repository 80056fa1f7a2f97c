/** The type-length-value fields of a PROXY header, version 2: HAProxy's `proxy-protocol.txt`, section 2.2. */

/** What the proxy says about the TLS it has ended. Section 2.2.7. */
export interface ProxiedTls {
  /** `TLSv1.3`; undefined if the proxy does not say. */
  readonly version: string | undefined;
  readonly cipher: string | undefined;
  /** Common name of the client's certificate, on this connection or an earlier one of its session. */
  readonly clientName: string | undefined;
  /** The client has shown a certificate and the proxy has verified it. Without one proxies say 0, which reads like success. */
  readonly isVerified: boolean;
}

export interface ProxyFields {
  readonly alpn?: string;
  /** The name the client asked for in its TLS handshake. */
  readonly serverName?: string;
  /** Names the connection in the proxy's log; in hexadecimal if it is not printable. */
  readonly uniqueId?: string;
  /** `null`: the proxy says that the connection came to it without TLS. Undefined: it says nothing of it. */
  readonly tls?: ProxiedTls | null;
  /** `at`: octets from the value to the end of the header. */
  readonly checksum?: { readonly value: number; readonly at: number };
  /** Fields of vendors, as they came; they share memory with the header. */
  readonly unknown: readonly { readonly type: number; readonly value: Buffer }[];
}

type Writable = { -readonly [K in keyof ProxyFields]: ProxyFields[K] } & {
  unknown: { readonly type: number; readonly value: Buffer }[];
};

const FIELD_HEAD_OCTETS = 3;
/** Section 2.2.5. */
const MAX_UNIQUE_ID_OCTETS = 128;
const SSL_HEAD_OCTETS = 5;
const TYPE = { ALPN: 1, AUTHORITY: 2, CRC32C: 3, NOOP: 4, UNIQUE_ID: 5, SSL: 0x20 } as const;
const SSL_TYPE = { VERSION: 0x21, NAME: 0x22, CIPHER: 0x23 } as const;
/** Bits of the client byte: TLS at all, a certificate on this connection, one in its session. */
const [HAS_TLS, HAS_CERTIFICATE, HAD_CERTIFICATE] = [1, 2, 4];

/** The fields that `octets` is made of; a text says what is wrong with them. */
export function readProxyFields(octets: Buffer): ProxyFields | string {
  const fields: Writable = { unknown: [] };
  const seen = new Set<number>();
  const isWhole = eachField(octets, (type, value, end) => {
    // Of two different words one would be a lie, and which one is believed should not depend on the reader.
    if (type < TYPE.NOOP || type === TYPE.UNIQUE_ID || type === TYPE.SSL) {
      if (seen.has(type)) return `field 0x${type.toString(16)} twice`;
      seen.add(type);
    }
    return take(fields, type, value, octets.length - end + value.length);
  });
  return isWhole ?? fields;
}

function take(fields: Writable, type: number, value: Buffer, at: number): string | undefined {
  switch (type) {
    case TYPE.ALPN:
      return set(fields, 'alpn', printable(value));
    case TYPE.AUTHORITY:
      return set(fields, 'serverName', printable(value));
    case TYPE.CRC32C:
      if (value.length !== 4) return `a CRC32C of ${value.length} octets`;
      fields.checksum = { value: value.readUInt32BE(0), at };
      return undefined;
    case TYPE.NOOP:
      return undefined;
    case TYPE.UNIQUE_ID:
      if (value.length > MAX_UNIQUE_ID_OCTETS) return `a unique id of ${value.length} octets`;
      return set(fields, 'uniqueId', printable(value) ?? value.toString('hex'));
    case TYPE.SSL:
      return takeTls(fields, value);
    default:
      fields.unknown.push({ type, value });
      return undefined;
  }
}

function set(
  fields: Writable,
  name: 'alpn' | 'serverName' | 'uniqueId',
  text: string | undefined,
): undefined {
  if (text !== undefined) fields[name] = text;
}

function takeTls(fields: Writable, value: Buffer): string | undefined {
  if (value.length < SSL_HEAD_OCTETS) return `an SSL field of ${value.length} octets`;
  const client = value[0]!;
  const parts = new Map<number, string | undefined>();
  const problem = eachField(value.subarray(SSL_HEAD_OCTETS), (type, text) => {
    if (parts.has(type)) return `field 0x${type.toString(16)} twice`;
    parts.set(type, printable(text));
    return undefined;
  });
  if (problem !== undefined) return problem;
  if ((client & HAS_TLS) === 0) {
    fields.tls = null;
    return undefined;
  }
  const hasCertificate = (client & (HAS_CERTIFICATE | HAD_CERTIFICATE)) !== 0;
  fields.tls = {
    version: parts.get(SSL_TYPE.VERSION),
    cipher: parts.get(SSL_TYPE.CIPHER),
    clientName: hasCertificate ? parts.get(SSL_TYPE.NAME) : undefined,
    isVerified: hasCertificate && value.readUInt32BE(1) === 0,
  };
  return undefined;
}

/** Calls `visit` with each field and where it ends; returns its complaint, or that a length leads outside. */
function eachField(
  octets: Buffer,
  visit: (type: number, value: Buffer, end: number) => string | undefined,
): string | undefined {
  for (let at = 0; at < octets.length;) {
    if (at + FIELD_HEAD_OCTETS > octets.length) return 'a field without its length';
    const start = at + FIELD_HEAD_OCTETS;
    const end = start + octets.readUInt16BE(at + 1);
    if (end > octets.length) return 'a field longer than the header';
    const problem = visit(octets[at]!, octets.subarray(start, end), end);
    if (problem !== undefined) return problem;
    at = end;
  }
  return undefined;
}

/** A client chooses some of these octets: what does not look like text must not reach a log or a header field. */
function printable(value: Buffer): string | undefined {
  const text = value.toString('utf8');
  return /^\P{Cc}{1,255}$/u.test(text) && !text.includes('\ufffd') ? text : undefined;
}
