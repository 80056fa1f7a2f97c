import type { HopReply } from '../../../bindings/plugin/index.ts';
import type { HopExtensions } from './hop-options.ts';

const LINE = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =]+(.*))?$/;

export const NO_EXTENSIONS: HopExtensions = new Map();

/** What a reply to EHLO offers: each line but the first is one extension. RFC 5321 section 4.1.1.1. */
export function extensionsOf({ lines }: HopReply): HopExtensions {
  const extensions = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const [, keyword, words = ''] = LINE.exec(line) ?? [];
    if (keyword === undefined) continue;
    const name = keyword.toUpperCase();
    // `AUTH=LOGIN` of old servers stands beside `AUTH PLAIN`.
    const before = extensions.get(name);
    extensions.set(name, before === undefined ? words.trim() : `${before} ${words.trim()}`);
  }
  return extensions;
}

/** The largest message the hop takes, in octets; undefined if it does not say. RFC 1870 section 4. */
export function sizeLimitOf(extensions: HopExtensions): number | undefined {
  const words = extensions.get('SIZE');
  // 0 stands for no fixed limit.
  return words !== undefined && /^\d{1,15}$/.test(words) && Number(words) > 0 ? Number(words) : undefined;
}
