/** The authors that a message names in From. RFC 5322 section 3.6.2, RFC 6854, RFC 9989 section 5.3.1. */

import { Turn } from '../../bindings/timing/turn.ts';
import { canonicalDomain } from '../../bindings/wire/domain-name.ts';

/** The authors in the From fields of a message, or what keeps them from being told. */
export interface Authors {
  /** Each domain once, in A-labels; an address literal as it is. */
  readonly domains: readonly string[];
  readonly mailboxes: number;
  /** `unparseable` is also a mailbox without a usable domain, as its reader may take it for any. */
  readonly problem: 'missing' | 'repeated' | 'unparseable' | undefined;
}

/** Pieces and mailboxes between two looks at the clock. */
const AT_ONCE = 32;

/** `fields` are the values of all From fields, unfolded: they may be as long as the header, and are read in turns. */
export async function authorsOf(fields: readonly string[]): Promise<Authors> {
  const turn = new Turn();
  const domains: (string | undefined)[] = [];
  for (const field of fields) {
    await turn.pass();
    for (const mailbox of await new AddressReader(field).read(turn)) {
      domains.push(mailbox && domainOf(mailbox));
      if (domains.length % AT_ONCE === 0) await turn.pass();
    }
  }
  await turn.pass();
  const known = [...new Set(domains.filter((domain) => domain !== undefined))];
  return { domains: known, mailboxes: domains.length, problem: problemOf(fields, domains) };
}

function problemOf(fields: readonly string[], domains: readonly (string | undefined)[]): Authors['problem'] {
  if (fields.every((field) => field === '')) return 'missing';
  // RFC 5322 section 3.6 allows one. A signature may cover another field than the one that readers are shown.
  if (fields.length > 1) return 'repeated';
  return domains.length === 0 || domains.includes(undefined) ? 'unparseable' : undefined;
}

/** A piece of an address: its text without quotes, and whether it may be a part of a domain. */
interface Piece {
  readonly text: string;
  readonly kind: 'atom' | 'quoted' | 'literal' | 'at';
}

const ATOM = /[^\s()<>@,;:\\"[\]]+/y;

/**
 * Reads an address list as leniently as mail programs do, for what they show is what has to be judged. Comments, display
 * names and encoded words are passed over: only addresses count (RFC 9989 section 11.4). Takes time in proportion to the
 * length of the field.
 */
class AddressReader {
  readonly #text: string;
  #at = 0;
  readonly #mailboxes: (readonly Piece[] | undefined)[] = [];
  #pieces: Piece[] = [];
  /** The mailbox that is read has had an address in angle brackets; what stands beside it is a display name. */
  #hasAngle = false;
  #isBroken = false;

  constructor(text: string) {
    this.#text = text;
  }

  /** The pieces of each address; undefined for one that cannot be told. */
  async read(turn: Turn): Promise<readonly (readonly Piece[] | undefined)[]> {
    for (let step = 1; this.#at < this.#text.length && !this.#isBroken; step++) {
      this.#step();
      if (step % AT_ONCE === 0) await turn.pass();
    }
    this.#endMailbox();
    if (this.#isBroken) this.#mailboxes.push(undefined);
    return this.#mailboxes;
  }

  #step(): void {
    switch (this.#text[this.#at]) {
      case ',':
      case ';':
        this.#at++;
        return this.#endMailbox();
      case ':':
        // What stood before it is the name of a group. RFC 5322 section 3.4.
        this.#at++;
        this.#pieces = [];
        return;
      case '<':
        return this.#readAngle();
      default:
        this.#readPiece(this.#pieces);
    }
  }

  /** `<` to `>`. A second one in the same mailbox is an author as well: nobody knows which is shown. */
  #readAngle(): void {
    this.#at++;
    this.#hasAngle = true;
    let pieces: Piece[] = [];
    for (;;) {
      const next = this.#text[this.#at];
      if (next === undefined || next === '<') return void (this.#isBroken = true);
      if (next === '>') break;
      if (next === ':') {
        // The end of a source route. RFC 5322 section 4.4.
        this.#at++;
        pieces = [];
      } else if (next === ',' || next === ';') this.#at++;
      else this.#readPiece(pieces);
      if (this.#isBroken) return;
    }
    this.#at++;
    this.#mailboxes.push(pieces);
    this.#pieces = [];
  }

  #readPiece(pieces: Piece[]): void {
    const text = this.#text;
    const first = text[this.#at]!;
    if (first === '(') return this.#skipComment();
    if (first === '"') return this.#readUntil('"', 'quoted', pieces);
    if (first === '[') return this.#readUntil(']', 'literal', pieces);
    if (first === '@') {
      this.#at++;
      return void pieces.push({ text: '@', kind: 'at' });
    }
    ATOM.lastIndex = this.#at;
    const [atom] = ATOM.exec(text) ?? [];
    if (atom === undefined) {
      // A blank; or what no address has, such as a bracket that nothing has opened.
      if (!/\s/.test(first)) this.#isBroken = true;
      return void this.#at++;
    }
    this.#at += atom.length;
    pieces.push({ text: atom, kind: 'atom' });
  }

  #readUntil(end: string, kind: 'quoted' | 'literal', pieces: Piece[]): void {
    const from = this.#at + 1;
    for (let at = from; at < this.#text.length; at++) {
      if (this.#text[at] === end) {
        this.#at = at + 1;
        const text = this.#text.slice(from, at).replace(/\\([^])/g, '$1');
        return void pieces.push({ text, kind });
      }
      if (this.#text[at] === '\\') at++;
    }
    this.#isBroken = true;
  }

  /** Comments may stand in each other. RFC 5322 section 3.2.2. */
  #skipComment(): void {
    let depth = 0;
    for (; this.#at < this.#text.length; this.#at++) {
      const character = this.#text[this.#at];
      if (character === '\\') this.#at++;
      else if (character === '(') depth++;
      else if (character === ')' && --depth === 0) return void this.#at++;
    }
    this.#isBroken = true;
  }

  #endMailbox(): void {
    if (!this.#hasAngle && this.#pieces.length > 0) this.#mailboxes.push(this.#pieces);
    this.#hasAngle = false;
    this.#pieces = [];
  }
}

const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;

/** What stands after the `@`; undefined where that is no domain, or where there is more than one `@`. */
function domainOf(mailbox: readonly Piece[]): string | undefined {
  const at = mailbox.findIndex(({ kind }) => kind === 'at');
  const [first, ...more] = mailbox.slice(at + 1);
  if (at < 1 || first === undefined) return undefined;
  if (first.kind === 'literal') return more.length === 0 ? `[${first.text.toLowerCase()}]` : undefined;
  let written = '';
  for (const { kind, text } of [first, ...more]) {
    // Blanks may stand beside a dot alone. RFC 5322 section 4.4, obs-domain.
    const isJoined = written === '' || written.endsWith('.') || text.startsWith('.');
    if (kind !== 'atom' || !isJoined) return undefined;
    written += text;
  }
  const domain = canonicalDomain(written);
  return domain !== undefined && NAME.test(domain) ? domain : undefined;
}
