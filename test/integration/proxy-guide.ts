/** The configurations of docs/guide/proxies.md, with the places of a test in place of theirs. */

import { readFileSync } from 'node:fs';

const GUIDE = readFileSync(new URL('../../docs/guide/proxies.md', import.meta.url), 'utf8');

/** The block of the guide after `<!-- NAME -->`. Every text of `places` has to stand in it, or the test would run something else. */
export function guideBlock(name: string, places: Readonly<Record<string, string>>): string {
  const block = new RegExp(`<!-- ${name} -->\\n+\`\`\`\\w*\\n([^]*?)\\n\`\`\``).exec(GUIDE)?.[1];
  if (block === undefined) throw new Error(`docs/guide/proxies.md has no block ${name}`);
  return Object.entries(places).reduce((text, [place, own]) => {
    if (!text.includes(place)) throw new Error(`the block ${name} has no "${place}"`);
    return text.replaceAll(place, own);
  }, block);
}
