/** The store of what DMARC reports tell, and the command that shows it. */

import type { PluginCommand, Setup } from '../../bindings/plugin/index.ts';
import type { DmarcResult, PublishedPolicy } from '../mailauth/sender-results.ts';
import { DayCounts, readDomainDay } from './day-counts.ts';
import { printDmarcReport, rowOf, type DmarcRow } from './dmarc-report.ts';
import { reportCommand } from './report-command.ts';
import { reporterOf } from './report-options.ts';

export const DMARC_STORE = 'dmarc-reports';

/** Counts messages for reports from now on; closed with the plugin. It costs no message any time. */
export function openDmarcCounts({
  services,
  log,
  onClose,
}: Pick<Setup<unknown>, 'services' | 'log' | 'onClose'>): (result: DmarcResult) => void {
  const { clock, store } = services;
  const counts = new DayCounts<DmarcRow, PublishedPolicy>({ store: store.open(DMARC_STORE), clock, log });
  onClose(() => counts.close());
  return (result) => {
    const told = rowOf(result);
    if (told !== undefined) counts.count(told.published.domain.toLowerCase(), told.published, told.row);
  };
}

/** `qpsmtpd dmarc list` and `qpsmtpd dmarc report`. */
export const dmarcCommand: PluginCommand = reportCommand({
  plugin: 'dmarc',
  storeName: DMARC_STORE,
  form: 'XML of RFC 9990',
  async print(store, day, domain, { services }) {
    const found = await readDomainDay<DmarcRow, PublishedPolicy>(store, day, domain);
    return found && printDmarcReport(day, found, reporterOf({}, services.system.hostName));
  },
});
