/**
 * What became of every plugin of qpsmtpd 0.94 and 1.00, and of the names that came before those: one table for the loader,
 * for `did you mean`, and for docs/reference/plugins.md.
 */

import { nearest } from '../../bindings/lists/nearest.ts';

export type PerlPlugin =
  /** A plugin of this server has the name. */
  | { readonly kind: 'same' }
  /** A plugin of this server does the same under the name `to`; `translate` gives it the arguments it understands. */
  | {
      readonly kind: 'renamed';
      readonly to: string;
      readonly translate?: (args: readonly string[]) => readonly string[];
      readonly note?: string;
    }
  /** Not built yet; `lost` is what a configuration without it does not do. */
  | { readonly kind: 'coming'; readonly lost: string }
  /** There is no such plugin, and none is planned: this is the way to the same end. */
  | { readonly kind: 'replaced'; readonly by: string };

const same: PerlPlugin = { kind: 'same' };
const coming = (lost: string): PerlPlugin => ({ kind: 'coming', lost });
const replaced = (by: string): PerlPlugin => ({ kind: 'replaced', by });
const renamed = (
  to: string,
  translate?: (args: readonly string[]) => readonly string[],
  note?: string,
): PerlPlugin => ({
  kind: 'renamed',
  to,
  ...(translate && { translate }),
  ...(note !== undefined && { note }),
});

/** `check_basicheaders [DAYS]` looked for From and Date, and at both sides of today. */
function headersWords(args: readonly string[]): readonly string[] {
  const [days, ...rest] = args[0] === 'days' ? args.slice(1) : args;
  const required = ['require', 'From,Date'];
  if (days === undefined || !/^\d+$/.test(days)) return [...required, ...args];
  return [...required, 'past', days, 'future', days, ...rest];
}

const scanner = (name: string): PerlPlugin => coming(`${name} scans no message for viruses`);
const unknownUsers = coming('nobody can log in by it');

/** By the name a line of `config/plugins` has, in the order of the documentation. */
export const PERL_PLUGINS: ReadonlyMap<string, PerlPlugin> = new Map(
  Object.entries({
    'async/dns_whitelist_soft': renamed('dns_whitelist_soft'),
    'async/dnsbl': renamed('dnsbl'),
    'async/earlytalker': renamed('earlytalker'),
    'async/queue/smtp-forward': renamed('queue/smtp-forward'),
    'async/resolvable_fromhost': renamed('resolvable_fromhost'),
    'async/rhsbl': renamed('rhsbl'),
    'async/uribl': renamed('uribl'),
    'auth/auth_checkpassword': unknownUsers,
    'auth/auth_cvm_unix_local': unknownUsers,
    'auth/auth_flat_file': same,
    'auth/auth_imap': unknownUsers,
    'auth/auth_ldap_bind': unknownUsers,
    'auth/auth_vpopmail': unknownUsers,
    'auth/auth_vpopmail_sql': unknownUsers,
    'auth/auth_vpopmaild': unknownUsers,
    'auth/authdeny': same,
    badmailfrom: same,
    badmailfromto: same,
    badrcptto: same,
    bogus_bounce: same,
    check_badmailfrom: renamed('badmailfrom'),
    check_badmailfrom_patterns: replaced(
      'badmailfrom takes patterns too: move the lines of the file badmailfrom_patterns to badmailfrom, and name badmailfrom',
    ),
    check_badmailfromto: renamed('badmailfromto'),
    check_badrcptto: renamed('badrcptto'),
    check_badrcptto_patterns: replaced(
      'badrcptto takes patterns too: move the lines of the file badrcptto_patterns to badrcptto, and name badrcptto',
    ),
    check_basicheaders: renamed(
      'headers',
      headersWords,
      '`require From,Date`, and DAYS as `past` and `future`',
    ),
    check_bogus_bounce: renamed('bogus_bounce'),
    check_earlytalker: renamed('earlytalker'),
    check_loop: renamed('loop'),
    check_norelay: renamed('relay'),
    check_relay: renamed('relay'),
    check_spamhelo: renamed('helo', undefined, 'which tests more than `badhelo`'),
    connection_time: same,
    content_log: same,
    count_unrecognized_commands: same,
    dkim: same,
    dmarc: same,
    dns_whitelist_soft: same,
    dnsbl: same,
    domainkeys: same,
    dont_require_anglebrackets: same,
    dspam: coming('dspam judges no message'),
    earlytalker: same,
    fcrdns: same,
    greylisting: same,
    headers: same,
    helo: same,
    help: same,
    hosts_allow: same,
    http_config: same,
    'ident/geoip': same,
    'ident/p0f': same,
    karma: same,
    karma_tool: replaced('it was no plugin: see `qpsmtpd karma --help`'),
    loadcheck: same,
    'logging/adaptive': same,
    'logging/apache': same,
    'logging/connection_id': same,
    'logging/devnull': same,
    'logging/file': same,
    'logging/syslog': same,
    'logging/transaction_id': same,
    'logging/warn': same,
    loop: same,
    milter: coming('the milter sees no message'),
    naughty: same,
    noop_counter: same,
    parse_addr_withhelo: same,
    qmail_deliverable: coming('recipients that do not exist are taken, and bounce later'),
    'queue/exim-bsmtp': same,
    'queue/maildir': same,
    'queue/postfix-queue': same,
    'queue/qmail-queue': same,
    'queue/smtp-forward': same,
    quit_fortune: same,
    random_error: same,
    rcpt_map: same,
    rcpt_ok: same,
    rcpt_regexp: same,
    relay: same,
    relay_only: renamed('relay', () => ['only', '1'], '`relay only 1`'),
    require_resolvable_fromhost: renamed('resolvable_fromhost'),
    resolvable_fromhost: same,
    rhsbl: same,
    sender_permitted_from: same,
    spamassassin: coming('SpamAssassin judges no message'),
    stunnel: same,
    tls: same,
    tls_cert: replaced('it was no plugin: `qpsmtpd tls-cert` makes a certificate'),
    uribl: same,
    user_config: same,
    'virus/aveclient': scanner('Kaspersky'),
    'virus/bitdefender': scanner('BitDefender'),
    'virus/clamav': scanner('ClamAV'),
    'virus/clamdscan': scanner('ClamAV'),
    'virus/hbedv': scanner('AntiVir'),
    'virus/kavscanner': scanner('Kaspersky'),
    'virus/klez_filter': same,
    'virus/sophie': scanner('Sophie'),
    'virus/uvscan': scanner('McAfee'),
    whitelist: same,
  }),
);

/** Why a name leads to no plugin, and what to do; undefined for one that qpsmtpd has never had. */
export function absenceOf(name: string): { readonly problem: string; readonly remedy: string } | undefined {
  const meaning = PERL_PLUGINS.get(name);
  if (meaning?.kind === 'renamed') return absenceOf(meaning.to);
  if (meaning?.kind === 'replaced') return { problem: `there is no plugin ${name} here`, remedy: meaning.by };
  if (meaning?.kind !== 'coming') return undefined;
  return {
    problem: `plugin ${name} of qpsmtpd is not built into this server yet`,
    remedy: `comment the line out to start without it: ${meaning.lost} meanwhile`,
  };
}

/** The plugin that `name` probably means, by its name here; `known` are those that exist. */
export function meantBy(name: string, known: readonly string[]): string | undefined {
  const meant = nearest(name, [...known, ...PERL_PLUGINS.keys()]);
  const meaning = meant === undefined || known.includes(meant) ? undefined : PERL_PLUGINS.get(meant);
  return meaning?.kind === 'renamed' ? meaning.to : meant;
}

/** The rows of the table of names in docs/reference/plugins.md. */
export function perlPluginRows(): readonly string[] {
  return [...PERL_PLUGINS].map(([name, meaning]) => `| \`${name}\` | ${describe(name, meaning)} |`);
}

function describe(name: string, meaning: PerlPlugin): string {
  if (meaning.kind === 'same') return linkTo(name);
  if (meaning.kind === 'coming') return `not built yet: ${meaning.lost}`;
  if (meaning.kind === 'replaced') return meaning.by;
  const target = PERL_PLUGINS.get(meaning.to);
  const link = target?.kind === 'coming' ? `\`${meaning.to}\`, which is not built yet` : linkTo(meaning.to);
  return `alias of ${link}${meaning.note === undefined ? '' : `: ${meaning.note}`}`;
}

const linkTo = (name: string): string => `[\`${name}\`](#${name.replaceAll('/', '')})`;
