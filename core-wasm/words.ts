/**
 * Numbers the core writes into its tables, as `bindings/core/contract.ts` declares them.
 *
 * AssemblyScript cannot read the contract's objects; `test/core/layout.test.ts` holds the two together.
 */

export const MAX_COMMANDS = 128;
export const MAX_PARAMETERS = 2048;
export const MAX_HEADER_OCTETS = 262_144;
export const MAX_HEADER_FIELDS = 2000;

export const COMMAND_WORDS = 16;
export const COMMAND_VERB = 0;
export const COMMAND_FLAGS = 1;
export const COMMAND_LINE = 2;
export const COMMAND_LINE_END = 3;
export const COMMAND_NEXT = 4;
export const COMMAND_VERB_END = 5;
export const COMMAND_ARGUMENT = 6;
export const COMMAND_PATH = 7;
export const COMMAND_PATH_END = 8;
export const COMMAND_AT = 9;
export const COMMAND_FIRST_PARAMETER = 10;
export const COMMAND_PARAMETER_COUNT = 11;
export const PARAMETER_WORDS = 4;

export const VERB_UNKNOWN = 0;
export const VERB_HELO = 1;
export const VERB_EHLO = 2;
export const VERB_MAIL = 3;
export const VERB_RCPT = 4;
export const VERB_DATA = 5;
export const VERB_BDAT = 6;
export const VERB_RSET = 7;
export const VERB_NOOP = 8;
export const VERB_VRFY = 9;
export const VERB_HELP = 10;
export const VERB_QUIT = 11;
export const VERB_STARTTLS = 12;
export const VERB_AUTH = 13;
export const VERB_XCLIENT = 14;
export const VERB_EXPN = 15;
export const VERB_ETRN = 16;
export const VERB_LHLO = 17;
export const VERB_XFORWARD = 18;

export const LINE_BARE_LF = 1;
export const LINE_BARE_CR = 2;
export const LINE_NUL = 4;
export const LINE_EIGHT_BIT = 8;
export const LINE_CONTROL = 16;
export const LINE_CANONICAL = 32;

export const DATA_BARE_CR = 1;
export const DATA_BARE_LF = 2;
export const DATA_NUL = 4;
export const DATA_EIGHT_BIT = 8;
export const DATA_LOOK_ALIKE = 16;

export const FIELD_WORDS = 6;
export const FIELD_NAME = 0;
export const FIELD_NAME_END = 1;
export const FIELD_VALUE = 2;
export const FIELD_VALUE_END = 3;
export const FIELD_ID = 4;
export const FIELD_NEXT = 5;
export const FIELD_FOLDED = 0x100;
export const FIELD_OTHER = 0;
export const FIELD_MALFORMED = 255;

export const HEADER_UNFINISHED = 1;
export const HEADER_TOO_MANY_FIELDS = 2;
export const HEADER_MALFORMED = 4;
export const HEADER_LEADING_FOLD = 8;

export const MAX_DNS_RECORDS = 256;
export const DNS_WORDS = 8;
export const DNS_TYPE = 0;
export const DNS_OWNER = 1;
export const DNS_TTL = 2;
export const DNS_DATA = 3;
export const DNS_DATA_END = 4;
export const DNS_VALUE = 5;
export const DNS_NAME = 6;
export const DNS_MALFORMED = -1;

export const RECORD_A = 1;
export const RECORD_NS = 2;
export const RECORD_CNAME = 5;
export const RECORD_SOA = 6;
export const RECORD_PTR = 12;
export const RECORD_MX = 15;
export const RECORD_TXT = 16;
export const RECORD_AAAA = 28;
export const RECORD_OPT = 41;
export const RECORD_TLSA = 52;

export const MAX_HOSTS = 4096;
export const MAX_HOST_RUN = 1024;
export const HOST_WORDS = 4;
export const HOST_FROM = 0;
export const HOST_TO = 1;
export const HOST_FLAGS = 2;
export const HOST_AUTHORITY = 1;
export const HOST_EIGHT_BIT = 2;
export const HOST_PERCENT = 4;
export const HOST_BRACKETS = 8;
export const HOST_PIECE = 16;

/** States between two calls of `hosts`, which nobody outside the core reads. */
export const HOSTS_SLASH = 1;
export const HOSTS_AUTHORITY = 2;
export const HOSTS_START = 4;
export const HOSTS_SKIP = 8;

/** States of a data slot, which nobody outside the core reads. */
export const STATE_LINE_START = 0;
export const STATE_MIDDLE = 1;
export const STATE_CR = 2;
export const STATE_DOT = 3;
export const STATE_DOT_CR = 4;
export const STATE_END = 5;
export const STATE_BARE_LF = 6;
export const STATE_BARE_LF_DOT = 7;
export const STATE_BARE_LF_DOT_CR = 8;
