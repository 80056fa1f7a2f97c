/**
 * Line ends as SMTP has them. Programs write messages with LF, and HTTP leaves bodies as they are; a lone LF would be refused,
 * rightly, as it could hide an end of data (SMTP smuggling). A lone CR stays, and is refused.
 */

const CR = 0x0d;
const LF = 0x0a;

/** Puts a CR before every lone LF, over blocks cut anywhere. */
export class CrlfLines {
  #last = 0;

  /** `block` itself if there is nothing to put in. */
  convert(block: Buffer): Buffer {
    const lone = this.#loneLineFeeds(block);
    if (block.length > 0) this.#last = block[block.length - 1]!;
    if (lone.length === 0) return block;
    const out = Buffer.allocUnsafe(block.length + lone.length);
    let from = 0;
    let to = 0;
    for (const at of lone) {
      to += block.copy(out, to, from, at);
      out[to++] = CR;
      from = at;
    }
    block.copy(out, to, from);
    return out;
  }

  #loneLineFeeds(block: Buffer): number[] {
    const lone: number[] = [];
    for (let at = block.indexOf(LF); at >= 0; at = block.indexOf(LF, at + 1))
      if ((at === 0 ? this.#last : block[at - 1]) !== CR) lone.push(at);
    return lone;
  }
}
