/** The part of mailauth's verifier that signature-verifier.ts builds on; the package declares no types for it. */

declare module 'mailauth/lib/dkim/dkim-verifier.js' {
  export interface ParsedField {
    /** The name in lower case, and as written. */
    readonly key: string;
    readonly casedKey: string;
    /** Name and body without the line end after them; folds stand in it. */
    readonly line: Buffer;
  }

  export interface SignatureField {
    readonly type: 'DKIM' | 'ARC';
    readonly original: Buffer;
    readonly parsed?: Readonly<Record<string, { readonly value: string | number } | undefined>>;
    readonly algorithm?: string;
    readonly hashAlgo?: string;
    readonly signingDomain?: string;
    readonly selector?: string;
    /** In lower case; `simple` if `c=` says none. */
    readonly headerCanon?: string;
    readonly canonicalization?: string;
    readonly identity?: string;
    readonly timestamp?: Date | null;
    /** Why it is not verified at all. */
    readonly skip?: string;
    readonly invalid?: string;
  }

  export interface VerifiedSignature {
    readonly algo?: string | undefined;
    /** Octets of the canonical body that the hash covers, and how many `l=` says. */
    readonly canonBodyLength?: number;
    readonly canonBodyLengthLimit?: number;
    /** The key record. */
    readonly rr?: string;
    readonly status: {
      readonly result: string;
      readonly comment?: string | false;
      readonly policy?: Readonly<Record<string, string>>;
      readonly testing?: boolean;
      readonly underSized?: number;
    };
  }

  export interface BodyHasher {
    hash?: string;
    mimeStructureStart?: number;
    readonly byteLength: number;
    readonly canonicalizedLength: number;
    readonly bodyHashedBytes: number;
    update(block: Buffer): void;
    digest(encoding: 'base64'): string;
    setContentType(type: unknown): void;
    getMimeStructureStart(): number;
  }

  /** Asks for each key once. */
  export interface KeyCache {
    get(
      type: 'DKIM' | 'ARC' | 'AS',
      name: string,
      minBitLength: number,
      options: { readonly strict: boolean; readonly hashAlgo: string },
    ): Promise<{ readonly publicKey: string; readonly keyType: string }>;
  }

  export interface ArcField {
    readonly original: Buffer;
    readonly parsed?: Readonly<Record<string, { readonly value?: unknown } | undefined>>;
  }

  export interface ArcFieldSet {
    readonly i: number;
    readonly 'arc-seal': ArcField;
    readonly 'arc-message-signature': ArcField;
    readonly 'arc-authentication-results': ArcField;
  }

  export interface ArcData {
    /** By their instance, if they make a chain at all. RFC 8617 section 5.2 steps 1 to 3. */
    readonly chain: readonly ArcFieldSet[] | false;
    readonly error?: Error;
    /** The newest set; its signature is verified by `finalChunk`. */
    readonly lastEntry?: { readonly messageSignature?: VerifiedSignature };
    readonly keyCache: KeyCache;
  }

  export class DkimVerifier {
    constructor(options: {
      readonly resolver: (name: string, type: string) => Promise<string[][]>;
      readonly strict: boolean;
      readonly minBitLength: number;
      /** Milliseconds since the epoch. */
      readonly curTime: number;
    });
    headers: { readonly parsed: readonly ParsedField[]; readonly original: Buffer };
    readonly bodyHashes: Map<string, BodyHasher>;
    signatureHeaders: readonly SignatureField[];
    readonly headerFrom: readonly string[];
    readonly results: readonly VerifiedSignature[];
    readonly keyCache: KeyCache;
    readonly arc: ArcData;
    messageHeaders(headers: DkimVerifier['headers']): Promise<void>;
    addBodyHash(canonicalization: string, algorithm: string, maxLength: number | ''): string;
    verifySignature(field: SignatureField, isFallback?: boolean): Promise<VerifiedSignature>;
    finalChunk(): Promise<void>;
  }
}
