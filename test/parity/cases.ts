/** Where a client comes from that cannot come by loopback. */
export interface ClientPlace {
  readonly address: string;
  /** What 1.00 calls it without asking the DNS, as under tcpserver. */
  readonly name?: string;
}

/** One script, the configuration it runs under, and what goes with it. */
export interface ParityCase {
  /** The name of the script and of its references, without extension. */
  readonly script: string;
  /** Folders of `conf/`, laid over each other in this order. */
  readonly conf: readonly string[];
  /** Undefined: loopback. */
  readonly client?: ClientPlace;
  /** The plugins ask a name server with the zones of this folder. */
  readonly zones?: true;
  /** The configuration names a certificate in `@WORK@/tls`. */
  readonly certificate?: true;
  /** The dialogue was recorded by this project, not handed down with the script. */
  readonly recordedHere?: true;
  /** Why 0.94 cannot play it. */
  readonly not094?: string;
  /** Lines of 0.94 and what 1.00 says in their place, where that depends on the configuration. */
  readonly since094?: readonly (readonly [string, string])[];
}

const PERCENT_HACK = [
  'S: 550 mail to % not accepted here',
  'S: 550 Sorry, percent hack not accepted here',
] as const;

const PLAIN_IP = [
  'S: 554 Plain IP is invalid HELO hostname (RFC 2821)',
  'S: 554 (helo) Forged IPs not accepted here',
] as const;

const BAD_RECIPIENTS = [
  PERCENT_HACK,
  ['S: 550 mail to left@good.example not accepted here', 'S: 550 left the company in May'],
  ['S: 550 mail to ^no-?reply@ not accepted here', 'S: 550 nobody reads this'],
] as const;

/** tcpserver without TCPREMOTEHOST. */
const TCPSERVER_CLIENT: ClientPlace = { address: '192.0.2.2', name: '[192.0.2.2]' };

/** A case with zones that this project has recorded. */
const zoneCase = (script: string, conf: string, address: string, not094?: string): ParityCase => ({
  script,
  conf: [conf],
  zones: true,
  recordedHere: true,
  client: { address },
  ...(not094 !== undefined && { not094 }),
});

/** Scripts 01 to 63 came with transcripts of qpsmtpd 1.00; from 64 on they were recorded by this project. */
export const CASES: readonly ParityCase[] = [
  { script: '01-full', conf: ['basic'], since094: [PERCENT_HACK] },
  { script: '03-auth', conf: ['basic'] },
  { script: '04-auth-ehlo', conf: ['basic'] },
  { script: '10-eod-lf-dot-crlf', conf: ['basic'] },
  { script: '11-eod-crlf-dot-lf', conf: ['basic'] },
  { script: '14-dots-and-barelf', conf: ['basic'] },
  { script: '15-no-body', conf: ['basic'] },
  { script: '30-timeouts', conf: ['basic'] },
  { script: '31-timeout-data', conf: ['basic'] },
  { script: '40-tls', conf: ['basic', 'tls'], certificate: true },
  { script: '41-tls-inject', conf: ['basic', 'tls'], certificate: true },
  { script: '51-rhsbl', conf: ['rhsbl'], zones: true, client: TCPSERVER_CLIENT },
  { script: '53-spf', conf: ['spf'], zones: true, client: TCPSERVER_CLIENT },
  { script: '60-bare', conf: ['bare'] },
  { script: '61-noqueue', conf: ['noqueue'] },
  {
    script: '62-proxy',
    conf: ['stunnel'],
    not094: 'its stunnel plugin wants a module that Debian does not have',
  },
  { script: '63-earlytalker', conf: ['basic'] },
  { script: '64-helo-strict', conf: ['helo'], recordedHere: true },
  { script: '65-tls-before-auth', conf: ['basic', 'tls', 'tba'], certificate: true, recordedHere: true },
  { script: '66-earlytalker-deferred', conf: ['early2'], recordedHere: true },
  { script: '67-naughty', conf: ['hnaughty'], recordedHere: true, since094: [PLAIN_IP] },
  {
    script: '68-greylisting',
    conf: ['greyk'],
    recordedHere: true,
    not094: 'its greylisting plugin calls a method it does not have',
  },
  { script: '70-order', conf: ['plain'], recordedHere: true },
  { script: '71-mail-syntax', conf: ['plain'], recordedHere: true },
  { script: '72-rcpt-syntax', conf: ['plain'], recordedHere: true },
  { script: '73-bare-paths', conf: ['plain'], recordedHere: true },
  { script: '74-bad-senders', conf: ['plain'], recordedHere: true },
  { script: '75-bad-recipients', conf: ['plain'], since094: BAD_RECIPIENTS, recordedHere: true },
  { script: '76-unrecognized', conf: ['plain'], recordedHere: true },
  { script: '77-small-verbs', conf: ['plain'], recordedHere: true },
  { script: '78-many-messages', conf: ['plain'], recordedHere: true },
  { script: '79-pipelined', conf: ['plain'], recordedHere: true },
  { script: '80-dots', conf: ['plain'], recordedHere: true },
  { script: '81-empty-message', conf: ['plain'], recordedHere: true },
  { script: '82-too-big', conf: ['plain'], recordedHere: true },
  { script: '83-header-shapes', conf: ['plain'], recordedHere: true },
  { script: '84-quit-in-transaction', conf: ['plain'], recordedHere: true },
  { script: '85-incomplete', conf: ['plain'], recordedHere: true },
  { script: '86-long-lines', conf: ['plain'], recordedHere: true },
  { script: '87-authentication-results', conf: ['plain'], recordedHere: true },
  { script: '88-timeout', conf: ['plain'], recordedHere: true },
  { script: '89-bare-newlines', conf: ['plain'], recordedHere: true },
  { script: '90-reset', conf: ['plain'], recordedHere: true },
  { script: '91-no-hello', conf: ['plain'], recordedHere: true },
  { script: '92-eod-lf-dot-crlf', conf: ['plain'], recordedHere: true },
  { script: '93-eod-crlf-dot-lf', conf: ['plain'], recordedHere: true },
  { script: '94-eod-lf-dot-lf', conf: ['plain'], recordedHere: true },
  { script: '95-eod-cr-variants', conf: ['plain'], recordedHere: true },
  { script: '96-bare-newlines-in-data', conf: ['plain'], recordedHere: true },
  { script: '97-auth', conf: ['auth'], recordedHere: true },
  { script: '98-auth-mail', conf: ['auth'], recordedHere: true },
  { script: '99-relay-cidr', conf: ['relay-cidr'], recordedHere: true },
  { script: '99-relay-elsewhere', conf: ['relay-elsewhere'], recordedHere: true },
  zoneCase('100-dnsbl-text', 'dnsbl', '192.0.2.2'),
  zoneCase('101-dnsbl-message', 'dnsbl', '192.0.2.3'),
  zoneCase('102-dnsbl-unlisted', 'dnsbl', '192.0.2.77'),
  zoneCase('103-resolvable', 'resolvable', '192.0.2.77'),
  zoneCase('104-resolvable-perm', 'resolvable-perm', '192.0.2.77'),
  zoneCase('105-whitelist', 'whitelist', '192.0.2.77'),
  zoneCase('106-whitelist-host', 'whitelist', '198.51.100.9', 'its whitelist plugin takes no networks'),
  zoneCase('107-fcrdns', 'fcrdns', '192.0.2.77'),
  zoneCase('108-fcrdns-elsewhere', 'fcrdns', '192.0.2.78'),
  zoneCase('109-fcrdns-near', 'fcrdns', '192.0.2.79'),
  zoneCase('110-fcrdns-lost', 'fcrdns', '192.0.2.80'),
  zoneCase(
    '111-fcrdns-nameless',
    'fcrdns',
    '192.0.2.2',
    'its fcrdns plugin has a result for clients without a name',
  ),
  zoneCase('112-helo-known', 'helo', '192.0.2.77'),
  zoneCase('113-helo-unknown', 'helo', '192.0.2.77'),
  zoneCase('114-helo-unfit', 'helo', '192.0.2.78'),
];
