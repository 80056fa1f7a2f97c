import { definePlugin, type CommandContext, type Services, type Store } from '../bindings/plugin/index.ts';
import { isPublic } from '../bindings/lists/index.ts';
import { DailyJob, type Sent } from './reports/daily-job.ts';
import { printDay, readDomainDay } from './reports/day-counts.ts';
import { mailAddressesOf } from './reports/destinations.ts';
import { rangeOf, reportIdOf, type Reporter } from './reports/dmarc-report.ts';
import { reportCommand } from './reports/report-command.ts';
import { packReport, printReportMail } from './reports/report-mail.ts';
import { deliverAll, openReportOutlet, reporterOf, reportOptions } from './reports/report-options.ts';
import { TLS_STORE, type TlsRow } from './reports/tls-counts.ts';
import { printTlsReport } from './reports/tls-report.ts';

/** Where the outlets that deliver by MX keep the policies of domains. */
const STS_STORE = 'mta-sts';
const POST_TIMEOUT_MS = 60_000;

/** RFC 8460 section 3: exactly one record, or none. Undefined: the domain wants no reports. */
function urisOf(texts: readonly string[]): readonly string[] | undefined {
  const records = texts.filter((text) => /^v=TLSRPTv1\s*;/.test(text));
  if (records.length !== 1) return undefined;
  const [, uris] = /;\s*rua=([^;]+)/.exec(records[0]!) ?? [];
  return uris?.split(',').map((uri) => uri.trim());
}

async function stsTextOf(store: Pick<Store, 'get'>, domain: string): Promise<string | undefined> {
  try {
    const held = JSON.parse((await store.get(domain)) ?? 'null') as { readonly text?: unknown } | null;
    return typeof held?.text === 'string' ? held.text : undefined;
  } catch {
    return undefined;
  }
}

/** Tells domains how mail to them has been encrypted, once a day. RFC 8460. */
export default definePlugin({
  name: 'tls_reports',
  about: 'Counts how mail by MX was encrypted, and tells the domains that ask for it once a day (RFC 8460).',
  options: reportOptions,
  rest: 'via',
  command: reportCommand({
    plugin: 'tls_reports',
    storeName: TLS_STORE,
    form: 'JSON of RFC 8460',
    async print(store, day, domain, { services }: CommandContext) {
      const found = await readDomainDay<TlsRow, null>(store, day, domain);
      return found && printTlsReport(day, found, reporterOf({}, services.system.hostName), undefined);
    },
  }),
  hooks(setup) {
    const { options, services, config, log, onClose } = setup;
    const { clock, dns } = services;
    const reporter = reporterOf(options, config.me);
    const outlet = openReportOutlet(setup);
    let store: Store;
    let policies: Store;
    const send = async (day: number, domain: string): Promise<Sent> => {
      const found = await readDomainDay<TlsRow, null>(store, day, domain);
      if (found === undefined) return 'not wanted';
      const answer = await dns.txt(`_smtp._tls.${domain}`);
      if (answer.status === 'failed') return 'later';
      const uris = answer.status === 'found' ? urisOf(answer.records) : undefined;
      if (uris === undefined) return 'not wanted';
      const json = printTlsReport(day, found, reporter, await stsTextOf(policies, domain));
      const packed = await packReport(json);
      const mails = mailAddressesOf(uris).map((to, index) =>
        mailOf({ day, domain, reporter, packed, to, index }, services),
      );
      const posted = await postAll(uris, json, services);
      const mailed = await deliverAll(mails, outlet, log);
      return posted === 'sent' ? 'sent' : mailed === 'not wanted' ? posted : mailed;
    };
    return {
      // Only processes that serve send; the stores are opened by the first client's process.
      'post-fork'() {
        store = services.store.open(TLS_STORE);
        policies = services.store.open(STS_STORE);
        const job = new DailyJob({ store, clock, log, host: config.me, send });
        onClose(() => job.stop());
        job.start();
      },
    };
  },
});

interface TlsReportMail {
  readonly day: number;
  readonly domain: string;
  readonly reporter: Reporter;
  readonly packed: string;
  readonly to: Parameters<typeof printReportMail>[0]['to'];
  readonly index: number;
}

/** RFC 8460 section 5.3. */
function mailOf({ day, domain, reporter, packed, to, index }: TlsReportMail, services: Services) {
  const { begin, end } = rangeOf(day);
  const id = reportIdOf(day, domain, reporter);
  return printReportMail(
    {
      from: reporter.contact,
      to,
      subject: `Report Domain: ${domain} Submitter: ${reporter.host} Report-ID: <${id}@${reporter.host}>`,
      fields: [
        ['TLS-Report-Domain', domain],
        ['TLS-Report-Submitter', reporter.host],
        // A report about the way of reports must not be kept back by what it is about. RFC 8460 section 5.3, RFC 8689 section 3.
        ['TLS-Required', 'No'],
      ],
      type: 'multipart/report; report-type="tlsrpt"',
      text: `This is the TLS report of ${reporter.org} about mail to ${domain}\non ${printDay(day)} (UTC). RFC 8460 tells what its parts mean.\n`,
      report: {
        packed,
        type: 'application/tlsrpt+gzip',
        name: `${reporter.host}!${domain}!${begin}!${end}.json.gz`,
      },
      id: `tls.${id}.${index}`,
      host: reporter.host,
    },
    services,
  );
}

/** RFC 8460 section 5.4. The host is anybody's choice: it must not be one of this network (server-side request forgery). */
async function postAll(
  uris: readonly string[],
  json: string,
  { http, dns }: Pick<Services, 'http' | 'dns'>,
): Promise<Sent> {
  const addresses = async (host: string): Promise<readonly string[]> => {
    const answers = await Promise.all([dns.resolve4(host), dns.resolve6(host)]);
    const found = answers.flatMap((answer) => (answer.status === 'found' ? answer.records : []));
    const open = found.filter((address) => isPublic(address));
    if (open.length === 0) throw new Error(`${host} has no address that may be asked`);
    return open;
  };
  let sent: Sent = 'not wanted';
  for (const uri of uris.filter((text) => /^https:\/\//i.test(text)).slice(0, 2)) {
    try {
      const { status } = await http.request({
        method: 'POST',
        url: uri,
        addresses,
        headers: { 'content-type': 'application/tlsrpt+json' },
        body: Buffer.from(json),
        timeoutMs: POST_TIMEOUT_MS,
        maxOctets: 65_536,
      });
      if (status >= 200 && status < 300) sent = 'sent';
      else if (sent !== 'sent' && status >= 500) sent = 'later';
    } catch {
      if (sent !== 'sent') sent = 'later';
    }
  }
  return sent;
}
