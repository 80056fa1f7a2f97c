/** The SMTP server, loaded when it is needed: a primary and `--help` do without its code. */

import type { DaemonLoader } from '../process/daemon.ts';

const load = async (): Promise<DaemonLoader> => (await import('../embed/smtp-daemon.ts')).smtpDaemon;

export const lazyServer: DaemonLoader = {
  async bind(options) {
    return (await load()).bind(options);
  },

  async load(options, bound) {
    return (await load()).load(options, bound);
  },

  async clearStaleSockets(listen) {
    if (listen.some((spec) => /^(?:http\+)?unix:/.test(spec))) await (await load()).clearStaleSockets(listen);
  },
};
