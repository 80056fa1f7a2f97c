/**
 * The memory map of the core: 4 MiB, fixed, one instance per process.
 *
 * Plain constants that AssemblyScript and TypeScript both read, so that the host's views and the core can never
 * disagree about an address. Everything below 0x10000 belongs to static tables that the compiler places.
 */

/**
 * Names of header fields in small letters, one row each, sorted by length: the name, zeros, and in the last octet
 * the `FieldId`. The host writes them once. `FIELD_NAME_INDEX` has two octets for each length: the first row, and
 * the number of rows.
 */
export const FIELD_NAMES = 0x00_e000;
export const FIELD_NAME_OCTETS = 32;
export const MAX_FIELD_NAMES = 64;
export const FIELD_NAME_INDEX = 0x00_e800;

/** Words in which a call leaves what does not fit its return value. */
export const RESULT = 0x00_ff00;
export const RESULT_CONSUMED = 0;
export const RESULT_CONTENT_END = 1;
export const RESULT_DROP_COUNT = 2;
export const RESULT_CARRIED_CR = 3;
export const RESULT_BODY_OFFSET = 4;
export const RESULT_HEADER_FLAGS = 5;
/** What `hosts` leaves beside `RESULT_CONSUMED`. */
export const RESULT_HOST_STATE = 6;
/** What `dns` leaves: its words are others than those of mail. */
export const RESULT_DNS_FLAGS = 0;
export const RESULT_DNS_CODE = 1;
export const RESULT_DNS_QUESTION_TYPE = 2;
export const RESULT_DNS_QUESTION_END = 3;
export const RESULT_DNS_NEGATIVE_TTL = 4;
export const RESULT_DNS_NAME_COUNT = 5;
export const RESULT_WORDS = 8;

/**
 * Input of `commands`, `data` and `toLf`. The octets in front of it are writable: `data` puts the last two octets
 * of the previous chunk there. At least `SLACK` octets after each input region can be read; what they hold
 * never matters.
 */
export const INPUT = 0x01_0400;
export const WINDOW = 0x01_0000;
export const SLACK = 0x400;

/** Command records, `COMMAND_WORDS` words each. */
export const RECORDS = 0x02_1000;
/** ESMTP parameters, `PARAMETER_WORDS` words each. */
export const PARAMETERS = 0x02_3000;
/** Positions of dots to drop. A dropped dot needs a line of four octets, so one window holds no more than these. */
export const DROPS = 0x02_b000;
export const MAX_DROPS = 0x4000;
/** Header fields, `FIELD_WORDS` words each. */
export const FIELDS = 0x03_b000;
/** Output of `toLf`, one window. */
export const OUTPUT = 0x04_8000;
/** Input of `headers`. */
export const HEADER_INPUT = 0x06_0000;

/** Input of `dns`: a whole message, the longest that the two octets of its length over TCP can announce. */
export const DNS_INPUT = 0x0b_0000;
export const MAX_DNS_OCTETS = 0xffff;
/** Records of the answer, `DNS_WORDS` words each. */
export const DNS_RECORDS = 0x0c_1000;
/** Names of a message, `DNS_NAME_WORDS` words each: where its text begins and ends, and a hash of it. */
export const DNS_NAME_TABLE = 0x0c_4000;
export const DNS_NAME_WORDS = 4;
/** The name of the question, and two for each record. */
export const MAX_DNS_NAMES = 513;
/** Texts of names, one after the other. */
export const DNS_NAMES = 0x0d_0000;
/** 255 octets in wire form, of which each may take four in a text. */
export const MAX_DNS_NAME_TEXT = 1_024;

/** Host names, `HOST_WORDS` words each. */
export const HOSTS = 0x16_0000;

/** Scan slots: one per message under way. Slot 0 exists and is never handed out. */
export const SLOTS = 0x20_0000;
export const SLOT_OCTETS = 64;
export const SLOT_COUNT = 0x8000;

/** Words of a slot; `SLOT_OCTETS_LOW` and `_HIGH` are one 64-bit number. */
export const SLOT_STATE = 0;
export const SLOT_FLAGS = 1;
export const SLOT_LINE = 2;
export const SLOT_LONGEST = 3;
export const SLOT_OCTETS_LOW = 4;
export const SLOT_OCTETS_HIGH = 5;

export const MEMORY_OCTETS = 0x40_0000;
