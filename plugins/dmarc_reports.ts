import { definePlugin, type Store } from '../bindings/plugin/index.ts';
import { getDomain } from 'tldts';
import type { PublishedPolicy } from './mailauth/sender-results.ts';
import { DailyJob, type Sent } from './reports/daily-job.ts';
import { printDay, readDomainDay } from './reports/day-counts.ts';
import { agreedAddresses } from './reports/destinations.ts';
import { DMARC_STORE } from './reports/dmarc-counts.ts';
import { printDmarcReport, rangeOf, reportIdOf, type DmarcRow } from './reports/dmarc-report.ts';
import { packReport, printReportMail } from './reports/report-mail.ts';
import { deliverAll, openReportOutlet, reporterOf, reportOptions } from './reports/report-options.ts';

/** Customers of a host for web pages, such as those at `github.io`, are not one organisation. */
const registered = (name: string): string => getDomain(name, { allowPrivateDomains: true }) ?? name;

/** Two names are of one organisation if they are registered together. */
const areRelated = (a: string, b: string): boolean => a === b || registered(a) === registered(b);

/** Mails what the plugin dmarc has counted to the domains that ask for it, once a day. RFC 9990. */
export default definePlugin({
  name: 'dmarc_reports',
  about: 'Mails the aggregate reports that domains ask for in their DMARC records, once a day (RFC 9990).',
  options: reportOptions,
  rest: 'via',
  after: ['dmarc'],
  hooks(setup) {
    const { options, services, config, log, onClose } = setup;
    const { clock, dns } = services;
    const reporter = reporterOf(options, config.me);
    const outlet = openReportOutlet(setup);
    let store: Store;
    const send = async (day: number, domain: string): Promise<Sent> => {
      const found = await readDomainDay<DmarcRow, PublishedPolicy>(store, day, domain);
      if (found === undefined) return 'not wanted';
      const { addresses, isUncertain } = await agreedAddresses(domain, found.about.rua, dns, areRelated);
      if (addresses.length === 0) return isUncertain ? 'later' : 'not wanted';
      const { begin, end } = rangeOf(day);
      const id = reportIdOf(day, domain, reporter);
      const packed = await packReport(printDmarcReport(day, found, reporter));
      const mails = addresses.map((to, index) =>
        printReportMail(
          {
            from: reporter.contact,
            to,
            subject: `Report Domain: ${domain} Submitter: ${reporter.host} Report-ID: <${id}>`,
            fields: [],
            type: 'multipart/mixed',
            text: `This is the DMARC aggregate report of ${reporter.org} about ${domain}\nfor ${printDay(day)} (UTC). RFC 9990 tells what its parts mean.\n`,
            report: {
              packed,
              type: 'application/gzip',
              name: `${reporter.host}!${domain}!${begin}!${end}.xml.gz`,
            },
            id: `${id}.${index}`,
            host: reporter.host,
          },
          services,
        ),
      );
      return deliverAll(mails, outlet, log);
    };
    return {
      // Only processes that serve send; the store is opened by the first of them.
      'post-fork'() {
        store = services.store.open(DMARC_STORE);
        const job = new DailyJob({ store, clock, log, host: config.me, send });
        onClose(() => job.stop());
        job.start();
      },
    };
  },
});
