import { isIpAddress, isLoopback } from '../bindings/lists/index.ts';
import {
  connectionNote,
  definePlugin,
  denyDisconnect,
  done,
  flag,
  z,
  type Answer,
  type HookContext,
} from '../bindings/plugin/index.ts';

/** The words of the PROXY line. */
export interface ProxyLine {
  readonly protocol: string;
  readonly remoteIp: string;
  readonly localIp: string;
  readonly remotePort: number;
  readonly localPort: number;
}

/** Set once a proxy has named its client. */
export const proxy = connectionNote<ProxyLine>('proxy');

/**
 * Takes the client's address from the line `PROXY TCP4 CLIENT SERVER PORT PORT` that stunnel sends in front of the
 * dialogue. Version 1 of the PROXY protocol.
 *
 * Only proxies on this host are believed: a client that could send the line from elsewhere could take any address.
 */
export default definePlugin({
  name: 'stunnel',
  about: 'Takes the address of the client from stunnel.',
  options: z.object({ proxy: flag().default(false) }),
  hooks({ log, options }) {
    if (!options.proxy) return {};
    log.info('proxy protocol enabled');
    return {
      unrecognized_command: (context, verb, argument) =>
        verb.toLowerCase() === 'proxy' ? takeProxyLine(context, argument) : undefined,
    };
  },
});

async function takeProxyLine(context: HookContext, argument: string): Promise<Answer> {
  const { connection, log, services } = context;
  const line = readLine(argument);
  if (line === undefined || !mayName(context)) return denyDisconnect();
  connection.notes.set(proxy, line);
  const names = await services.dns.reverse(line.remoteIp);
  const host =
    names.status === 'found' ? names.records.find((name) => /^[\w.-]{1,255}$/.test(name)) : undefined;
  connection.takeClient({ ip: line.remoteIp, port: line.remotePort, host });
  log.info(`stunnel : ${line.remoteIp}:${line.remotePort}`);
  return done;
}

/** Once, before the dialogue, and from this host itself, not through another proxy. */
function mayName({ connection }: HookContext): boolean {
  return (
    isLoopback(connection.peerIp) &&
    connection.remoteIp === connection.peerIp &&
    connection.hello === undefined &&
    connection.notes.get(proxy) === undefined
  );
}

function readLine(argument: string): ProxyLine | undefined {
  const [protocol = '', remoteIp = '', localIp = '', remotePort, localPort, ...more] = argument
    .trim()
    .split(/ +/);
  const isFamily =
    protocol === 'TCP4' ? !remoteIp.includes(':') : protocol === 'TCP6' && remoteIp.includes(':');
  if (!isFamily || more.length > 0 || !isIpAddress(remoteIp) || !isIpAddress(localIp)) return undefined;
  const ports = [remotePort, localPort].map(readPort);
  const [from, to] = ports;
  if (from === undefined || to === undefined) return undefined;
  return { protocol, remoteIp, localIp, remotePort: from, localPort: to };
}

function readPort(text = ''): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Infinity;
  return port <= 65_535 ? port : undefined;
}
