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
    /** Asks for each key once. */
    readonly keyCache: {
      get(
        type: 'DKIM' | 'ARC',
        name: string,
        minBitLength: number,
        options: { readonly strict: boolean; readonly hashAlgo: string },
      ): Promise<unknown>;
    };
    /** What `arc` takes. */
    readonly arc: object;
    messageHeaders(headers: DkimVerifier['headers']): Promise<void>;
    addBodyHash(canonicalization: string, algorithm: string, maxLength: number | ''): string;
    verifySignature(field: SignatureField, isFallback?: boolean): Promise<VerifiedSignature>;
    finalChunk(): Promise<void>;
  }
}
