/** Next hops as they are written in a plugin's line. */

import { z } from '../../../bindings/plugin/index.ts';
import type { HopHost } from './hop-options.ts';

const MAX_PORT = 65_535;
const MAX_HOPS = 64;
const UNIX = /^unix:(\/[^\s*]+)$/;
const PLACE =
  /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?))(?::(\d{1,5}))?(?:\*(\d{1,4}))?$/;

const RULE = 'must be hosts such as mx1.example:25*3,[2001:db8::1],unix:/run/lmtp.sock';

/**
 * `HOST[:PORT][*WEIGHT]` with commas between, IPv6 addresses in brackets; `unix:PATH` for a Unix socket. The greater its
 * weight, the more of the mail a host gets.
 */
export const hopList = () =>
  z.string().transform((text, context): readonly HopHost[] => {
    const hosts = text.split(',').map(parseHop);
    const known = hosts.filter((host) => host !== undefined);
    if (known.length === hosts.length && hosts.length <= MAX_HOPS) return known;
    context.addIssue({ code: 'custom', message: RULE });
    return z.NEVER;
  });

function parseHop(text: string): HopHost | undefined {
  const path = UNIX.exec(text)?.[1];
  if (path !== undefined) return { name: path, path };
  const [, address6, name, portText, weightText = '1'] = PLACE.exec(text) ?? [];
  const host = address6 ?? name;
  const port = portText === undefined ? undefined : Number(portText);
  const weight = Number(weightText);
  if (host === undefined || weight === 0 || port === 0 || (port ?? 1) > MAX_PORT) return undefined;
  if (address6?.includes(':') === false) return undefined;
  return { name: host, ...(port !== undefined && { port }), ...(weight !== 1 && { weight }) };
}
