/** In which order the hosts of an outlet are tried. RFC 5321 section 5.1. */

import type { HopHost } from './hop-options.ts';

/** One text for one place to connect to under the same terms. */
export function placeOf({ name, address = name, port, path, tls }: HopHost): string {
  const place = path === undefined ? `${address}:${port ?? ''}` : `unix:${path}`;
  if (tls === undefined) return `${name}|${place}`;
  const { level, isImplicit = false, names = [], judge } = tls;
  return [name, place, level, isImplicit, names.join(), judge !== undefined].join('|');
}

/**
 * By preference; among equals at random, the more often first the greater their weight. Hosts that `rank` puts higher come
 * behind all others, but stay in the list. `random` gives numbers in [0, 1).
 */
export function orderOf(
  hosts: readonly HopHost[],
  random: () => number,
  rank: (host: HopHost) => number,
): readonly HopHost[] {
  if (hosts.length < 2) return hosts;
  return hosts
    .map((host) => ({
      host,
      rank: rank(host),
      // Exponential spacing: the smallest of such draws falls to a host in proportion to its weight.
      draw: -Math.log(1 - random()) / Math.max(host.weight ?? 1, Number.MIN_VALUE),
    }))
    .sort((a, b) => a.rank - b.rank || (a.host.preference ?? 0) - (b.host.preference ?? 0) || a.draw - b.draw)
    .map(({ host }) => host);
}
