/**
 * The contract between the host and the byte-level core.
 *
 * Two implementations keep it: `wasm-core.ts` over the AssemblyScript module, and `reference/` in plain
 * TypeScript. Octets are copied in and never out: every result is a position, relative to the `from` that the
 * caller passed, in tables that stay valid only until the next call of any method. Read them in the same tick.
 */

/** Octets a single call looks at; longer chunks are handed over in windows of this size. */
export const WINDOW = 65_536;

/** Records a single `commands` call can return. */
export const MAX_COMMANDS = 128;

/** ESMTP parameters a single `commands` call can return, over all its records. */
export const MAX_PARAMETERS = 2_048;

/** Octets of a header block that `headers` indexes; anything after is reported as `HeaderFlag.Unfinished`. */
export const MAX_HEADER_OCTETS = 262_144;

/** Header fields that `headers` indexes; further ones set `HeaderFlag.TooManyFields`. */
export const MAX_HEADER_FIELDS = 2_000;

/** Verbs the core knows by number. `Unknown` covers everything else, an empty line included. */
export const Verb = {
  Unknown: 0,
  Helo: 1,
  Ehlo: 2,
  Mail: 3,
  Rcpt: 4,
  Data: 5,
  Bdat: 6,
  Rset: 7,
  Noop: 8,
  Vrfy: 9,
  Help: 10,
  Quit: 11,
  Starttls: 12,
  Auth: 13,
  Xclient: 14,
  Expn: 15,
  Etrn: 16,
  Lhlo: 17,
  Xforward: 18,
} as const;
export type Verb = (typeof Verb)[keyof typeof Verb];

/** Words per command record, and the word each fact stands in. */
export const COMMAND_WORDS = 16;
export const CommandWord = {
  /** A `Verb`. */
  verb: 0,
  /** An or of `CommandFlag`s. */
  flags: 1,
  /** First octet of the line. */
  line: 2,
  /** One past the last octet of the line, its terminator (CRLF or LF) excluded. */
  lineEnd: 3,
  /** First octet after the terminator. */
  next: 4,
  /** One past the verb; equals `line` when the line is empty or starts with a blank. */
  verbEnd: 5,
  /** First octet of the argument: after the verb and the blanks (SP, HT) that follow; `lineEnd` if none. */
  argument: 6,
  /** For a canonical MAIL or RCPT (`CommandFlag.Canonical`): position of `<`. Otherwise -1. */
  path: 7,
  /** One past `>`, or -1. */
  pathEnd: 8,
  /** The `@` between local part and domain; -1 for `<>` and for anything not canonical. */
  at: 9,
  /** Index of the first of this record's parameters in the parameter table. */
  firstParameter: 10,
  /** How many parameters follow the path of a canonical MAIL or RCPT. */
  parameterCount: 11,
} as const;

/** What a command line contains. Whether any of it is tolerated is the host's decision. */
export const CommandFlag = {
  /** The line ended in LF without CR. */
  BareLf: 1,
  /** A CR stands somewhere other than right before the terminating LF. */
  BareCr: 2,
  Nul: 4,
  EightBit: 8,
  /** A control octet (0x01-0x1F except HT, or 0x7F) other than the CR and LF counted above. */
  Control: 16,
  /**
   * MAIL or RCPT whose whole argument has the plain form: `FROM:` or `TO:` (any case), no blank, `<`, a
   * dot-string of RFC 5321 section 4.1.2 of at most 64 octets, `@`, a domain of letter-digit-hyphen labels of
   * at most 255 octets, `>`, then parameters `SP keyword[=value]`. `<>` counts for MAIL. Everything else is left
   * to the host's own parser.
   */
  Canonical: 32,
} as const;

/** Words per parameter record: keyword from, keyword to, value from, value to (-1, -1 without `=`). */
export const PARAMETER_WORDS = 4;

/** What mail data contained so far; sticky for the message. */
export const DataFlag = {
  /** A CR not followed by LF. */
  BareCr: 1,
  /** A LF not preceded by CR. */
  BareLf: 2,
  Nul: 4,
  EightBit: 8,
  /**
   * A dot alone on a line whose end or beginning is a bare LF: `LF . LF`, `LF . CRLF` or `CRLF . LF`. It never
   * ends the message (RFC 5321 section 4.1.1.4), but the client, or the author of the text, believes it does:
   * that is how a second envelope is smuggled past a filter.
   */
  LookAlike: 16,
} as const;

/** Words per header field, and the word each fact stands in. */
export const FIELD_WORDS = 6;
export const FieldWord = {
  /** First octet of the field name. */
  name: 0,
  /** One past the field name (blanks before the colon excluded). */
  nameEnd: 1,
  /** First octet after the colon and one run of blanks; folding is not touched. */
  value: 2,
  /** One past the last octet of the value, the final line end excluded. */
  valueEnd: 3,
  /** The `FieldId`, or'ed with `FIELD_FOLDED` if the value goes over several lines. */
  id: 4,
  /** First octet after the field's last line end: the next field starts here. */
  next: 5,
} as const;
export const FIELD_FOLDED = 0x100;

/** Field names the core knows by number (compared without case). */
export const FieldId = {
  Other: 0,
  ReturnPath: 1,
  Received: 2,
  DeliveredTo: 3,
  From: 4,
  Sender: 5,
  ReplyTo: 6,
  To: 7,
  Cc: 8,
  Bcc: 9,
  MessageId: 10,
  InReplyTo: 11,
  References: 12,
  Date: 13,
  Subject: 14,
  MimeVersion: 15,
  ContentType: 16,
  ContentTransferEncoding: 17,
  AuthenticationResults: 18,
  DkimSignature: 19,
  ListId: 20,
  ListUnsubscribe: 21,
  AutoSubmitted: 22,
  Precedence: 23,
  ReceivedSpf: 24,
  ArcSeal: 25,
  /** A line that is no field (no colon, or an octet in the name that none may have); its name is empty. */
  Malformed: 255,
} as const;

/** What `headers` met. */
export const HeaderFlag = {
  /** No empty line was found: the block ends inside the header, or exceeds `MAX_HEADER_OCTETS`. */
  Unfinished: 1,
  TooManyFields: 2,
  /** At least one `FieldId.Malformed` line. */
  Malformed: 4,
  /** The block starts with a continuation line. */
  LeadingFold: 8,
} as const;

/** Records of a DNS reply that `dns` looks at; no question of mail needs more. */
export const MAX_DNS_RECORDS = 256;

/** Octets of a DNS message: as many as the length in front of it can say over TCP. */
export const MAX_DNS_OCTETS = 0xffff;

/** Words per record of a DNS reply, and the word each fact stands in. */
export const DNS_WORDS = 8;
export const DnsWord = {
  /** A `RecordType`. */
  type: 0,
  /** Number of the name it belongs to; 0 is the name that was asked for. */
  owner: 1,
  /** Seconds; 0 if the highest bit was set (RFC 2181 section 8). */
  ttl: 2,
  /** First octet of the data. */
  data: 3,
  /** One past the last octet of the data. */
  dataEnd: 4,
  /** A: the address as a number, which is negative from 128.0.0.0 on. MX: the preference. TLSA: usage, selector and matching, an octet each. Else 0. */
  value: 5,
  /** CNAME, PTR, NS, MX: number of the name in the data. Else -1. */
  name: 6,
} as const;

/** What `dns` returns instead of a number of records. */
export const DNS_MALFORMED = -1;

/** Types of records that `dns` knows. RFC 1035 section 3.2.2, RFC 3596, RFC 6698. */
export const RecordType = { A: 1, NS: 2, CNAME: 5, PTR: 12, MX: 15, TXT: 16, AAAA: 28, TLSA: 52 } as const;

/** Host names a single `hosts` call can return. */
export const MAX_HOSTS = 4_096;

/**
 * Octets of a run that `hosts` looks at as a whole: 255 of a name (RFC 1035 section 2.3.4), each as `%XX` or in the U-label of
 * four octets, and a little more.
 */
export const MAX_HOST_RUN = 1_024;

/** Words per host name, and the word each fact stands in. */
export const HOST_WORDS = 4;
export const HostWord = {
  /** Its first octet. */
  from: 0,
  /** One past its last octet; a final dot is left out. */
  to: 1,
  /** An or of `HostFlag`s. */
  flags: 2,
} as const;

/** How a host name stands in a text. */
export const HostFlag = {
  /** It is the host of a URL: after `//`, or after the last `@` of what follows that (RFC 3986 section 3.2). */
  Authority: 1,
  EightBit: 2,
  /** It has a `%`. */
  Percent: 4,
  /** An address between brackets; they are left out. RFC 3986 section 3.2.2. */
  Brackets: 8,
  /** A piece of a longer run, cut before an octet of another kind; no name in itself, but one in ASCII may be within. */
  Piece: 16,
} as const;

/** State of a text before its first octet, for `hosts`. */
export const HOSTS_BEGIN = 0;

/** A scan slot of one message; numbers from a free list, 0 is never handed out. */
export type Slot = number;

export interface Core {
  readonly name: 'wasm' | 'reference';

  /**
   * Splits `chunk` from `from` on into complete command lines, at most `MAX_COMMANDS` of them and at most
   * `WINDOW` octets. Returns the number of records; `consumed` is then the octet after the last complete line,
   * relative to `from`. Octets after it belong to an unfinished line (or to the next call).
   */
  commands(chunk: Uint8Array, from: number): number;
  /** `COMMAND_WORDS` words a record. */
  readonly records: Int32Array;
  /** `PARAMETER_WORDS` words a parameter. */
  readonly parameters: Int32Array;
  /** Octets the last `commands`, `data` or `hosts` call used, relative to its `from`. */
  readonly consumed: number;

  /** Takes a slot for one message, in the state "at the start of the first line". Returns 0 if none is free. */
  openData(): Slot;
  /** Gives the slot back. */
  closeData(slot: Slot): void;
  /**
   * Scans mail data (RFC 5321 section 4.5.2) from `from` on, at most `WINDOW` octets. Returns true at the end of
   * data: CRLF, dot, CRLF and nothing else, wherever the chunks were cut. `consumed` tells how far it read.
   * Content of this call is, in this order: one CR if `carriedCr`, then the octets [0, `contentEnd`) without those
   * at the `dropCount` positions in `drops` (dots of dot-stuffing).
   */
  data(slot: Slot, chunk: Uint8Array, from: number): boolean;
  /**
   * Scans [`from`, `to`) of `chunk`, any number of octets, as content that is nothing else (BDAT, RFC 3030 section 2): no
   * dot is special. A slot serves either this or `data`. A CR at the end is no bare one yet.
   */
  content(slot: Slot, chunk: Uint8Array, from: number, to: number): void;
  /** The CR that the previous call held back turned out to be content. */
  readonly carriedCr: boolean;
  /** One past the last octet of content in this call, relative to `from`. */
  readonly contentEnd: number;
  readonly dropCount: number;
  /** Ascending positions relative to `from`. */
  readonly drops: Int32Array;
  /** The sticky `DataFlag`s of the slot's message. */
  dataFlags(slot: Slot): number;
  /** Octets of content so far, dots of dot-stuffing not counted; exact up to 2^53. */
  dataOctets(slot: Slot): number;
  /** Octets of the longest line so far without its line end, the unfinished last one included. */
  longestLine(slot: Slot): number;

  /**
   * Indexes the header of a message (RFC 5322 section 2.2). Lines may end in CRLF or LF. Returns the number of
   * fields; `bodyOffset` is the first octet of the separating empty line, or -1 if there is none.
   */
  headers(block: Uint8Array): number;
  /** `FIELD_WORDS` words a field. */
  readonly fields: Int32Array;
  /** Position of the empty line that ends the header, or -1. */
  readonly bodyOffset: number;
  /** An or of `HeaderFlag`s of the last `headers` call. */
  readonly headerFlags: number;

  /**
   * Returns the octets of `chunk` with every CRLF as LF, in a fresh Buffer the caller owns: the form in which Unix
   * mailboxes keep mail. This is the one call that copies out. A CR that is the last octet is kept as it is.
   */
  toLf(chunk: Uint8Array): Buffer;

  /**
   * Finds what looks like host names in text (a superset of ASCII) from `from` on, at most `WINDOW` octets. A run of letters,
   * digits, `-`, `_`, `.`, `%` and octets above 127 counts if it has a dot within, or if it is the host of a URL whatever it
   * looks like; not before `@`, where a mailbox or a user stands. Two dots part two runs. Backslashes are slashes, as they are
   * for browsers. Which of them are names is for the caller to judge.
   *
   * `state` is `HOSTS_BEGIN` at the start of a text, after that `hostState`. Returns the number of records, at most `MAX_HOSTS`.
   * Octets from `consumed` on, at most `MAX_HOST_RUN` unless the table is full, belong to a run that has not ended: they are to be
   * handed in again, before what follows. `isEnd` says that nothing follows `chunk`.
   */
  hosts(chunk: Uint8Array, from: number, state: number, isEnd: boolean): number;
  /** `HOST_WORDS` words a record. */
  readonly hostRecords: Int32Array;
  /** For the next call with the same text. */
  readonly hostState: number;

  /**
   * Decodes a reply of the DNS (RFC 1035 section 4.1), at most `MAX_DNS_OCTETS`. Returns the number of records of types that
   * are known; none of a truncated reply. `DNS_MALFORMED` for what is no reply to one question of class IN, or is broken
   * anywhere up to the end of its answer section. Whether the question is the one that was asked is the caller's to compare.
   */
  dns(message: Uint8Array): number;
  /** `DNS_WORDS` words a record. */
  readonly dnsRecords: Int32Array;
  /** The 16 flags of the header of the last reply. */
  readonly dnsFlags: number;
  /** RFC 1035 section 4.1.1, with the upper bits of RFC 6891 section 6.1.3. */
  readonly dnsCode: number;
  readonly dnsQuestionType: number;
  /** One past the question, which begins at octet 12. */
  readonly dnsQuestionEnd: number;
  /** Seconds for which it may be remembered that there is nothing (RFC 2308 section 5); -1 if the reply does not say. */
  readonly dnsNegativeTtl: number;
  /** How many names the last reply has. */
  readonly dnsNames: number;
  /**
   * The name of that number: in small letters, without the final dot; a dot, a backslash or an octet that is no graphic
   * ASCII within a label as `\DDD`. Two names of a reply are equal if their numbers are.
   */
  dnsName(number: number): string;
}
