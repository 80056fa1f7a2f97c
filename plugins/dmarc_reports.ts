import { definePlugin } from '../bindings/plugin/index.ts';
import { getDomain } from 'tldts';
import type { PublishedPolicy } from './mailauth/sender-results.ts';
import type { Sent } from './reports/daily-job.ts';
import { readDomainDay } from './reports/day-counts.ts';
import { agreedAddresses } from './reports/destinations.ts';
import { DMARC_STORE } from './reports/dmarc-counts.ts';
import { printDmarcReport, type DmarcRow } from './reports/dmarc-report.ts';
import type { ReportForm } from './reports/report-mail.ts';
import { reportHooks, reportOptions } from './reports/report-plugin.ts';

/** Customers of a host for web pages, such as those at `github.io`, are not one organisation. */
const registered = (name: string): string => getDomain(name, { allowPrivateDomains: true }) ?? name;

/** Two names are of one organisation if they are registered together. */
const areRelated = (a: string, b: string): boolean => a === b || registered(a) === registered(b);

/** RFC 9990 section 3.5.2. */
const FORM: ReportForm = {
  idPrefix: '',
  subjectId: (id) => id,
  fields: () => [],
  type: 'multipart/mixed',
  fileType: 'application/gzip',
  fileEnding: 'xml.gz',
  text: ({ org, domain, day }) =>
    `This is the DMARC aggregate report of ${org} about ${domain}\nfor ${day} (UTC). RFC 9990 tells what its parts mean.\n`,
};

/** Mails what the plugin dmarc has counted to the domains that ask for it, once a day. RFC 9990. */
export default definePlugin({
  name: 'dmarc_reports',
  about: 'Mails the aggregate reports that domains ask for in their DMARC records, once a day (RFC 9990).',
  options: reportOptions,
  rest: 'via',
  after: ['dmarc'],
  hooks: (setup) =>
    reportHooks(setup, {
      storeName: DMARC_STORE,
      async send(day, domain, { store, reporter, mail }): Promise<Sent> {
        const found = await readDomainDay<DmarcRow, PublishedPolicy>(store, day, domain);
        if (found === undefined) return 'not wanted';
        const { dns } = setup.services;
        const { addresses, isUncertain } = await agreedAddresses(domain, found.about.rua, dns, areRelated);
        if (addresses.length === 0) return isUncertain ? 'later' : 'not wanted';
        return mail({ day, domain, content: printDmarcReport(day, found, reporter) }, FORM, addresses);
      },
    }),
});
