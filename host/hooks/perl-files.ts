/**
 * Configuration files of qpsmtpd that a plugin reads, and those that nothing here reads: which plugin read them, and
 * what is missing now.
 */

import { PERL_PLUGINS } from './perl-plugins.ts';

export interface PerlFile {
  /** The plugin or program that reads it; a plugin as `config/plugins` names it. */
  readonly reader: string;
  /** Plugins that qpsmtpd has not, and that read it too. */
  readonly alsoReadBy?: readonly string[];
  /** What it means that nothing here reads it; undefined: what it means that the plugin is not loaded. */
  readonly effect?: string;
  /** With this file beside it, it is only the source of that one. */
  readonly sourceOf?: string;
}

const by = (reader: string, ...names: readonly string[]): [string, PerlFile][] =>
  names.map((name) => [name, { reader }]);

export const PERL_FILES: ReadonlyMap<string, PerlFile> = new Map([
  ...by('auth/auth_checkpassword', 'smtpauth-checkpassword'),
  ...by('auth/auth_flat_file', 'flat_auth_pw'),
  ...by('auth/auth_ldap_bind', 'ldap'),
  ...by('auth/auth_vpopmail_sql', 'vpopmail_mysql_dsn', 'vpopmail_mysql_user', 'vpopmail_mysql_pass'),
  ...by('badmailfrom', 'badmailfrom'),
  ...by('badmailfromto', 'badmailfromto'),
  ...by('badrcptto', 'badrcptto'),
  ...by('content_log', 'content_log_enabled', 'content_log_file'),
  ['srs_domains', { reader: 'srs', alsoReadBy: ['queue/srs'] }],
  ['srs_keys', { reader: 'srs', alsoReadBy: ['queue/srs'] }],
  ['dkim', { reader: 'dkim', alsoReadBy: ['dkimsign', 'domainkeys', 'arc'] }],
  ...by('dmarc', 'dmarc_trusted_forwarders', 'dmarc_trusted_sealers'),
  ...by('dns_whitelist_soft', 'whitelist_zones'),
  ...by('dnsbl', 'dnsbl_zones', 'dnsbl_allow', 'dnsbl_rejectmsg'),
  ...by('greylisting', 'denysoft_greylist', 'greylist_exclude_files'),
  ...by('helo', 'badhelo'),
  ...by('hosts_allow', 'hosts_allow'),
  ...by('ident/p0f', 'p0f_blocked_operating_systems'),
  ...by('karma', 'karma_tlds'),
  ...by('queue/postfix-queue', 'cleanup_sockets'),
  ...by('rcpt_ok', 'rcpthosts', 'morercpthosts.cdb'),
  ...by('rcpt_regexp', 'rcpt_regexp'),
  ...by('relay', 'relayclients', 'norelayclients', 'morerelayclients.cdb'),
  ...by('resolvable_fromhost', 'invalid_resolvable_fromhost'),
  ...by('rhsbl', 'rhsbl_zones'),
  ...by('sender_permitted_from', 'spfbehavior'),
  ...by('spamassassin', 'subject_prefix'),
  ...by('uribl', 'uribl_zones', 'uribl_whitelist_domains'),
  ...by('virus/hbedv', 'hbedv_deny'),
  ...by('virus/kavscanner', 'kav_deny'),
  ...by('whitelist', 'whitelisthosts', 'whitelisthelo', 'whitelistsenders', 'whitelistrcpt'),
  unread('IP', 'the start script', 'name the address with `--listen`'),
  unread('add_geoip_headers', 'ident/geoip', 'say `add_headers` in the line of `ident/geoip`'),
  unread(
    'badmailfrom_patterns',
    'check_badmailfrom_patterns',
    'none of its senders is refused: move its lines to `badmailfrom`, which takes patterns too',
  ),
  unread(
    'badrcptto_patterns',
    'check_badrcptto_patterns',
    'none of its recipients is refused: move its lines to `badrcptto`, which takes patterns too',
  ),
  unread(
    'debconf-settings',
    "Debian's start script",
    'say with `--listen` and `--user` where to serve and as whom',
  ),
  unread('log2sql', 'log2sql', 'no log goes to a database'),
  unread(
    'mail-dmarc.ini',
    'dmarc',
    'the line of `dmarc` has its options, and no database keeps results of single messages',
  ),
  unread(
    'morercpthosts',
    'no program but the maker of `morercpthosts.cdb`',
    'no mail is accepted for its domains: make `morercpthosts.cdb` of it, or move its lines to `rcpthosts`',
    'morercpthosts.cdb',
  ),
  unread(
    'morerelayclients',
    'no program but the maker of `morerelayclients.cdb`',
    'none of its clients may relay: make `morerelayclients.cdb` of it, or move its lines to `relayclients`',
    'morerelayclients.cdb',
  ),
  unread(
    'require_resolvable_fromhost',
    'require_resolvable_fromhost',
    'senders whose domain does not exist are let in unless `resolvable_fromhost` stands in `plugins`',
  ),
  unread(
    'public_suffix_list',
    'dmarc',
    'policies are found by a walk through the DNS, which needs no list (RFC 9989 section 4.10)',
  ),
  unread(
    'resolvable_fromhost',
    'no program any more',
    'senders whose domain does not exist are let in unless `resolvable_fromhost` stands in `plugins`',
  ),
]);

function unread(name: string, reader: string, effect: string, sourceOf?: string): [string, PerlFile] {
  return [name, { reader, effect, ...(sourceOf !== undefined && { sourceOf }) }];
}

/** What it means that nothing reads the file: its own effect, or that its plugin is missing or not loaded. */
export function effectOf({ reader, effect }: PerlFile): string {
  if (effect !== undefined) return effect;
  const meaning = PERL_PLUGINS.get(reader);
  return meaning?.kind === 'coming'
    ? `\`${reader}\` is not built yet: ${meaning.lost}`
    : `no line of plugins loads \`${reader}\``;
}

/** The rows of the table of unread files in docs/reference/configuration.md. */
export function perlFileRows(): readonly string[] {
  return [...PERL_FILES]
    .filter(([, { reader, effect }]) => effect !== undefined || PERL_PLUGINS.get(reader)?.kind === 'coming')
    .map(([name, file]) => `| \`${name}\` | ${readerOf(file)} | ${effectOf(file)} |`);
}

const readerOf = ({ reader }: PerlFile): string => (PERL_PLUGINS.has(reader) ? `\`${reader}\`` : reader);
