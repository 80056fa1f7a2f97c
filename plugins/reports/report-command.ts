/** `qpsmtpd NAME list` and `report`: what would be sent, for operators. */

import type { CommandContext, PluginCommand, Store } from '../../bindings/plugin/index.ts';
import { daysOf, domainsOf, parseDay, printDay } from './day-counts.ts';

export interface ReportCommandOptions {
  readonly plugin: string;
  readonly storeName: string;
  /** What it writes: `RFC 9990 XML`. */
  readonly form: string;
  /** The report; undefined if there is nothing to report. */
  print(store: Store, day: number, domain: string, context: CommandContext): Promise<string | undefined>;
}

export function reportCommand({ plugin, storeName, form, print }: ReportCommandOptions): PluginCommand {
  return {
    about: 'see what is reported to the domains',
    usage: 'ACTION',
    help: `Run it as the daemon's user; root becomes the owner of the store. Days are those of UTC. The actions:

  list [DAY]            the days and domains that there is something about
  report DAY DOMAIN     the report as it is sent: ${form}`,
    async run(context) {
      const { positionals, misuse, openStore } = context;
      const [action, day, domain, ...rest] = positionals;
      const actions = ['list', 'report'];
      if (action === undefined) throw misuse(`${plugin} needs an action: ${actions.join(', ')}`);
      if (!actions.includes(action)) throw misuse(`${plugin}: "${action}" is no action`, action, actions);
      if (rest.length > 0) throw misuse(`${plugin} ${action}: "${rest[0]}" is not understood`);
      const number = day === undefined ? undefined : parseDay(day);
      if (day !== undefined && number === undefined)
        throw misuse(`${plugin} ${action}: "${day}" is no day, as in 2026-11-30`);
      if (action === 'list' && domain !== undefined)
        throw misuse(`${plugin} list: "${domain}" is not understood`);
      const { store } = openStore(storeName);
      if (action === 'list') return list(store, number, context);
      if (number === undefined || domain === undefined) throw misuse(`${plugin} report needs DAY and DOMAIN`);
      const text = await print(store, number, domain.toLowerCase(), context);
      if (text === undefined) throw misuse(`there is nothing to report of ${day} about ${domain}`);
      context.print(text.replace(/\n$/, ''));
    },
  };
}

async function list(store: Store, only: number | undefined, { print }: CommandContext): Promise<void> {
  for (const day of await daysOf(store)) {
    if (only !== undefined && day !== only) continue;
    for (const domain of await domainsOf(store, day)) {
      const sent = await store.get(`sent ${day} ${domain}`);
      print(`${printDay(day)}  ${sent === 'done' ? 'sent' : '    '}  ${domain}`);
    }
  }
}
