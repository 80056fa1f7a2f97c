import { ClientRanges, prefixKeys } from '../bindings/lists/index.ts';
import { definePlugin, deny, flag, ok, pass, skip, z, type Config } from '../bindings/plugin/index.ts';

/** Decides by the client's address who may send to foreign hosts. RFC 5321 section 7.9. */
export default definePlugin({
  name: 'relay',
  about: 'Lets clients in relayclients and morerelayclients.cdb relay, those in norelayclients not.',
  options: z.object({ only: flag().default(false) }),
  onError: 'defer',
  hooks({ config, log, options, services }) {
    const compile = (lines: readonly string[]): ClientRanges => new ClientRanges(lines, { log });
    const relayClients = config.list('relayclients', compile);
    const noRelayClients = config.list('norelayclients', compile);
    config.map('morerelayclients', '');
    return {
      connect({ connection }) {
        const { remoteIp } = connection;
        if (noRelayClients.current.has(remoteIp)) {
          connection.relayClient = false;
          return skip(`disabled by norelayclients (${remoteIp})`);
        }
        if (services.system.environment('RELAYCLIENT') !== undefined) {
          connection.relayClient = true;
          return pass('enabled by env');
        }
        if (remoteIp !== '::1' && !relayClients.current.has(remoteIp) && !isInMore(config, remoteIp)) {
          return skip('no match');
        }
        connection.relayClient = true;
        return pass(`relay client (${remoteIp})`);
      },
      ...(options.only && { rcpt: ({ connection }) => (connection.relayClient ? ok() : deny()) }),
    };
  },
});

const isInMore = (config: Config, address: string): boolean =>
  prefixKeys(address).some((key) => config.map('morerelayclients', key) !== undefined);
