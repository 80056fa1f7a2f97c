/** What the header of a part says of its body, as far as it matters for finding text. RFC 2045, RFC 2183. */

/** How a body is encoded; `identity` stands for 7bit, 8bit, binary, and for whatever nobody knows. RFC 2045 section 6. */
export type TransferEncoding = 'identity' | 'base64' | 'quoted-printable';

export interface PartHeader {
  /** In small letters; empty if the header says none, or none that can be read. */
  readonly type: string;
  readonly encoding: TransferEncoding;
  readonly charset: string | undefined;
  readonly boundary: string | undefined;
  /** The name of the file that the body is to become. */
  readonly fileName: string | undefined;
}

/** Longer values are cut: no mail client writes any, and what is read here is read in linear time. */
const MAX_VALUE = 8_192;
/** Readers that take longer boundaries than the 70 octets of RFC 2046 section 5.1.1 exist. */
const MAX_BOUNDARY = 250;
const TYPE = /^\s*([\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127})/;

export function readPartHeader(get: (name: string) => string | undefined): PartHeader {
  const contentType = valueOf(get, 'Content-Type');
  const parameters = parametersOf(contentType);
  const boundary = parameters.get('boundary')?.trimEnd();
  return {
    type: TYPE.exec(contentType)?.[1]?.toLowerCase() ?? '',
    encoding: encodingOf(valueOf(get, 'Content-Transfer-Encoding')),
    charset: parameters.get('charset')?.trim().toLowerCase(),
    boundary: boundary === '' || boundary === undefined ? undefined : boundary.slice(0, MAX_BOUNDARY),
    fileName: parametersOf(valueOf(get, 'Content-Disposition')).get('filename') ?? parameters.get('name'),
  };
}

/** Comments are left out where they are apart from words. RFC 5322 section 3.2.2. */
const valueOf = (get: (name: string) => string | undefined, name: string): string =>
  (get(name) ?? '').slice(0, MAX_VALUE).replace(/(?<=^|[\s;])\([^()"]*\)/g, ' ');

function encodingOf(value: string): TransferEncoding {
  const encoding = value.trim().toLowerCase();
  return encoding === 'base64' || encoding === 'quoted-printable' ? encoding : 'identity';
}

/** The first one of a name counts. Pieces of a long value are joined in the order they stand in. RFC 2231 section 3. */
function parametersOf(value: string): Map<string, string> {
  const found = new Map<string, string>();
  const pieces = value.matchAll(
    /;\s*([\w-]{1,64})(\*\d{1,2})?\*?\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^\s;]*))/gs,
  );
  for (const [, name = '', piece, quoted, plain = ''] of pieces) {
    const key = name.toLowerCase();
    const before = found.get(key);
    if (before !== undefined && piece === undefined) continue;
    found.set(key, (before ?? '') + (quoted?.replace(/\\(.)/gs, '$1') ?? plain));
  }
  return found;
}
