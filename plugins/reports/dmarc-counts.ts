/** The store of what DMARC reports tell, and the command that shows it. */

import type { PluginCommand } from '../../bindings/plugin/index.ts';
import type { DmarcResult, PublishedPolicy } from '../mailauth/sender-results.ts';
import { openDayCounts, readDomainDay, type CountsSetup } from './day-counts.ts';
import { printDmarcReport, rowOf, type DmarcRow } from './dmarc-report.ts';
import { reportCommand } from './report-command.ts';
import { reporterOf } from './reporter.ts';

export const DMARC_STORE = 'dmarc-reports';

/** Counts messages for reports from now on; it costs no message any time. Closed with the plugin. */
export function openDmarcCounts(setup: CountsSetup): (result: DmarcResult) => void {
  const counts = openDayCounts<DmarcRow, PublishedPolicy>(DMARC_STORE, setup);
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
