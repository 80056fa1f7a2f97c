/** Options that a listener may have whatever kind of socket it is: `tls=implicit proxy=required lmtp=yes service=submission`. */

import { AddressRanges } from '../config/address-ranges.ts';
import { SERVICE_NAME } from '../config/service-files.ts';
import { faultOf, printHttp, takeHttp } from './http-options.ts';
import type { ListenerOptions, ProxyOptions } from './incoming-connection.ts';
import { refused, type OptionList } from './option-list.ts';

const SMTP_PORT = 25;

/** Takes all of them, and refuses what is left. Throws `Q_USAGE`. */
export function takeListenerOptions(options: OptionList, isHttp: boolean): ListenerOptions {
  const http = isHttp ? takeHttp(options) : undefined;
  // HTTPS is for the server in front. Inside a tunnel TLS can only begin by STARTTLS, whatever the port.
  const tls = isHttp ? { startsWithTls: false } : takeTls(options);
  const proxy = takeProxy(options);
  const isLmtp = options.takeYesOrNo('lmtp') === true;
  const service = options.take('service', SERVICE_NAME, 'such as service=submission');
  const hasSpeakingProxies = options.takeYesOrNo('xclient') === true;
  options.refuseRest();
  const fault = http && faultOf(http);
  if (fault !== undefined) throw refused(options.spec, fault);
  return {
    ...tls,
    ...(proxy === undefined ? {} : { proxy }),
    ...(http === undefined ? {} : { http }),
    ...(hasSpeakingProxies ? { hasSpeakingProxies } : {}),
    ...(isLmtp ? { isLmtp } : {}),
    ...(service === undefined ? {} : { service }),
  };
}

function takeTls(options: OptionList): Pick<ListenerOptions, 'startsWithTls' | 'isTlsByProxy'> {
  const forms = 'tls=implicit, tls=starttls or tls=by-proxy';
  const tls = options.take('tls', /^(implicit|starttls|by-proxy)$/, forms);
  if (tls === undefined) return {};
  return { startsWithTls: tls === 'implicit', ...(tls === 'by-proxy' ? { isTlsByProxy: true } : {}) };
}

/** There is no way to leave it open: SMTP's server speaks first, so a header can't be waited for. */
function takeProxy(options: OptionList): ProxyOptions | undefined {
  const required = options.take('proxy', /^required$/, 'proxy=required, or proxy-from=NETWORK,NETWORK');
  const networks = options.take('proxy-from', /^[^,]+(,[^,]+)*$/, 'such as proxy-from=10.0.0.0/8,::1');
  if (required === undefined && networks === undefined) return undefined;
  const isRequired = required !== undefined;
  if (networks === undefined) return { isRequired, from: undefined };
  try {
    return { isRequired, from: AddressRanges.compile(networks.split(',')) };
  } catch (cause) {
    const hint = 'proxy-from takes addresses and networks, and "unix"';
    throw refused(options.spec, (cause as Error).message, hint);
  }
}

/** Throws `Q_USAGE` for a listener on the port of SMTP that speaks LMTP: its clients do not. RFC 2033 section 5. */
export function refuseLmtpAt(port: number, { isLmtp }: ListenerOptions, spec: string): void {
  if (isLmtp !== true || port !== SMTP_PORT) return;
  throw refused(spec, 'clients of port 25 speak SMTP', 'LMTP takes another, RFC 2033 section 5');
}

/** As `takeListenerOptions` reads them, with a blank in front of each. */
export function printListenerOptions(options: ListenerOptions): string {
  const { http, proxy, service } = options;
  return [
    http === undefined ? printTls(options) : '',
    printProxy(proxy),
    http === undefined ? '' : printHttp(http),
    options.hasSpeakingProxies === true ? ' xclient=yes' : '',
    options.isLmtp === true ? ' lmtp=yes' : '',
    service === undefined ? '' : ` service=${service}`,
  ].join('');
}

function printTls({ startsWithTls, isTlsByProxy }: ListenerOptions): string {
  if (isTlsByProxy === true) return ' tls=by-proxy';
  return startsWithTls === undefined ? '' : ` tls=${startsWithTls ? 'implicit' : 'starttls'}`;
}

function printProxy(proxy: ProxyOptions | undefined): string {
  if (proxy === undefined) return '';
  const required = proxy.isRequired ? ' proxy=required' : '';
  return proxy.from === undefined ? required : `${required} proxy-from=${proxy.from.text}`;
}
