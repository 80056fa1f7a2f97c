/**
 * Things that come and go with every message or connection. A `Set` would be made anew again and again, and V8 leaves in the
 * old table of a set a reference to the new one: once an old table has grown old itself, all that comes later is kept until
 * the next full collection, messages included.
 */

/** The place of what is in no set: what a member's place begins with. */
export const NOT_IN_SET = -1;

/** `key` names the property in which a member keeps its place; only the set writes it. */
export class DenseSet<Key extends string, Member extends Record<Key, number>> {
  readonly #key: Key;
  readonly #members: Member[] = [];

  constructor(key: Key) {
    this.#key = key;
  }

  get size(): number {
    return this.#members.length;
  }

  /** A member that is there already stays where it is. */
  add(member: Member): void {
    const places: Record<string, number> = member;
    if (places[this.#key] === NOT_IN_SET) places[this.#key] = this.#members.push(member) - 1;
  }

  /** False if the member was not there. */
  delete(member: Member): boolean {
    const places: Record<string, number> = member;
    const place = places[this.#key]!;
    if (place === NOT_IN_SET) return false;
    places[this.#key] = NOT_IN_SET;
    const last = this.#members.pop()!;
    if (last !== member) {
      this.#members[place] = last;
      (last as Record<string, number>)[this.#key] = place;
    }
    return true;
  }

  /** Calls `visit` with each, perhaps twice with some; it may delete any of them, and one that it adds may be visited or not. */
  forEach(visit: (member: Member) => void): void {
    // From the end: what fills a gap has been visited, or is still to come at its new place.
    for (let place = this.#members.length - 1; place >= 0; place--) {
      const member = this.#members[place];
      if (member !== undefined) visit(member);
    }
  }
}
