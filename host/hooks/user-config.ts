/** Configuration for one user: what a plugin has for the address, else the file everybody shares. */

import { isDenial, ReturnCode } from '../../bindings/plugin/index.ts';
import { ConfigError } from '../errors/error-classes.ts';
import type { UserConfig } from './context.ts';
import type { HookRunner } from './runner.ts';

/** The files alone. */
export const userConfigFiles: UserConfig = (plugin, _session, _address, name) =>
  Promise.resolve(plugin.config.lines(name));

/** Asks the hook `user_config` first; the lines of an OK stand for the file, and after a denial they are unknown. */
export const userConfigOver =
  (runner: Pick<HookRunner, 'has' | 'run'>): UserConfig =>
  async (plugin, session, address, name) => {
    if (runner.has('user_config')) {
      const { code, lines } = await runner.run('user_config', session, address, name);
      if (code === ReturnCode.OK) return lines;
      if (isDenial(code)) {
        const file = `${name} of ${address.mailbox} (a plugin's hook user_config)`;
        throw new ConfigError({ file }, lines.join(' ') || "can't be told now");
      }
    }
    return plugin.config.lines(name);
  };
