import { definePlugin, strftime } from '../bindings/plugin/index.ts';

/** Keeps a copy of all mail in a file, for archives and for finding faults. */
export default definePlugin({
  name: 'content_log',
  about: 'Appends every message to a file named by the date.',
  onError: 'skip',
  hooks({ config }) {
    if (!/^(?:true|1|yes)\s*$/i.test(config.value('content_log_enabled') ?? 'true')) return {};
    config.value('content_log_file');
    return {
      async data_post({ log, services, transaction }) {
        const pattern = config.value('content_log_file') ?? 'mail/%Y%m%d';
        const path = strftime(pattern, services.system.localTime(services.clock.now()));
        try {
          await services.files.append(path, transaction.message.blocks('lf'));
        } catch (cause) {
          log.warn(`Could not write to log file ${path}.. continuing anyway: ${String(cause)}`);
        }
      },
    };
  },
});
