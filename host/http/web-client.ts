/** Fetches documents for plugins, with limits on time and size. */

import type { Http } from '../../bindings/plugin/http.ts';

/** What a server says of a document it does not have. */
const MISSING: ReadonlySet<number> = new Set([404, 410]);

export const webClient: Http = {
  async text(url, { timeoutMs, maxOctets }) {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) }).catch(explain);
    if (!response.ok) {
      await response.body?.cancel();
      if (MISSING.has(response.status)) return undefined;
      throw new Error(`answered ${response.status} ${response.statusText}`);
    }
    return readText(response, maxOctets);
  },
};

async function readText(response: Response, maxOctets: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let octets = 0;
  for await (const chunk of response.body ?? []) {
    octets += (chunk as Uint8Array).length;
    // Leaving the loop cancels the rest.
    if (octets > maxOctets) throw new Error(`the document has more than ${maxOctets} octets`);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** `fetch failed` hides the reason behind it. */
function explain(error: unknown): never {
  const { cause } = error as { cause?: unknown };
  throw cause instanceof Error ? cause : error;
}
