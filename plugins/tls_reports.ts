import { definePlugin, type CommandContext, type Services, type Store } from '../bindings/plugin/index.ts';
import { isPublic } from '../bindings/lists/index.ts';
import type { Sent } from './reports/daily-job.ts';
import { readDomainDay } from './reports/day-counts.ts';
import { mailAddressesOf } from './reports/destinations.ts';
import { reportCommand } from './reports/report-command.ts';
import { reporterOf } from './reports/reporter.ts';
import type { ReportForm } from './reports/report-mail.ts';
import { reportHooks, reportOptions } from './reports/report-plugin.ts';
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

/** RFC 8460 section 5.3. */
const FORM: ReportForm = {
  idPrefix: 'tls.',
  subjectId: (id, { host }) => `${id}@${host}`,
  fields: (domain, { host }) => [
    ['TLS-Report-Domain', domain],
    ['TLS-Report-Submitter', host],
    // A report about the way of reports must not be kept back by what it is about. RFC 8460 section 5.3, RFC 8689 section 3.
    ['TLS-Required', 'No'],
  ],
  type: 'multipart/report; report-type="tlsrpt"',
  fileType: 'application/tlsrpt+gzip',
  fileEnding: 'json.gz',
  text: ({ org, domain, day }) =>
    `This is the TLS report of ${org} about mail to ${domain}\non ${day} (UTC). RFC 8460 tells what its parts mean.\n`,
};

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
  hooks: (setup) =>
    reportHooks(setup, {
      storeName: TLS_STORE,
      async send(day, domain, { store, reporter, mail }): Promise<Sent> {
        const { services } = setup;
        const found = await readDomainDay<TlsRow, null>(store, day, domain);
        if (found === undefined) return 'not wanted';
        const answer = await services.dns.txt(`_smtp._tls.${domain}`);
        if (answer.status === 'failed') return 'later';
        const uris = answer.status === 'found' ? urisOf(answer.records) : undefined;
        if (uris === undefined) return 'not wanted';
        const policy = await stsTextOf(services.store.open(STS_STORE), domain);
        const content = printTlsReport(day, found, reporter, policy);
        const posted = await postAll(uris, content, services);
        const mailed = await mail({ day, domain, content }, FORM, mailAddressesOf(uris));
        return posted === 'sent' ? 'sent' : mailed === 'not wanted' ? posted : mailed;
      },
    }),
});

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
