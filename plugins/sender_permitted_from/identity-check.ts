/** One identity of the sender, checked: what was asked, what came out, and how that is told. RFC 7208 sections 2.3, 2.4 and 9. */

import type { HookContext } from '../../bindings/plugin/index.ts';
import {
  commentOf,
  quotedString,
  type AuthenticationResult,
} from '../../bindings/wire/authentication-result.ts';
import { foldField } from '../../bindings/wire/field-folding.ts';
import { mailauthResolver } from '../mailauth/dns-resolver.ts';
import type { SpfResult } from '../mailauth/sender-results.ts';
import { checkHost } from '../mailauth/spf.ts';

export interface IdentityCheck extends SpfResult {
  /** For people: the domain and what it says of the client. Control characters are gone, and it is not long. */
  readonly why: string;
  readonly explanation: string | undefined;
  /** The DNS did not answer some of the questions. */
  readonly hasUnanswered: boolean;
  /** Aborted with the transaction: results found later are none of the next one. */
  readonly signal: AbortSignal;
  readonly sender: string | undefined;
  readonly helo: string;
  readonly ip: string;
  readonly receiver: string;
}

export interface Identity {
  /** The reverse-path as `local@domain`; undefined: that of HELO. */
  readonly sender: string | undefined;
  /** What results name. */
  readonly domain: string;
}

/** Never rejects: what cannot be found out is `temperror`. */
export async function checkIdentity(
  { config, connection, services }: Pick<HookContext, 'config' | 'connection' | 'services'>,
  { sender, domain }: Identity,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<IdentityCheck> {
  let hasUnanswered = false;
  const onFailure = (): void => void (hasUnanswered = true);
  const helo = connection.helloHost ?? '';
  const ip = connection.remoteIp;
  const receiver = config.me;
  const lookups = { signal, timeoutMs, lateCode: 'ESPFTIMELIMIT', onFailure };
  const resolver = mailauthResolver(services, lookups);
  const { result, problem, explanation } = await checkHost({ ip, sender, helo, receiver, resolver });
  const scope = sender === undefined ? 'helo' : 'mfrom';
  const why = shorten(`${domain}: ${reasonOf(result, sender ?? helo, scope, problem)}`);
  return { result, domain, scope, why, explanation, hasUnanswered, signal, sender, helo, ip, receiver };
}

/** The sentences of Perl's Mail::SPF, which the replies and logs of qpsmtpd have. */
function reasonOf(
  result: SpfResult['result'],
  identity: string,
  scope: SpfResult['scope'],
  problem: string | undefined,
): string {
  const use = `to use '${identity}' in '${scope}' identity`;
  switch (result) {
    case 'pass':
      return `Sender is authorized ${use}`;
    case 'fail':
      return `Sender is not authorized ${use}`;
    case 'softfail':
      return `Sender is not authorized ${use}, however domain is not currently prepared for false failures`;
    case 'neutral':
      return `Domain does not state whether sender is authorized ${use}`;
    case 'none':
      return 'No applicable sender policy available';
    case 'permerror':
      return problem ?? 'The sender policy cannot be interpreted';
    case 'temperror':
      return problem ?? 'The sender policy cannot be had';
  }
}

/** What a record says, and what a client calls itself, may be as long as they like; a reply may not. RFC 5321 section 4.5.3.1.5. */
const MAX_WHY = 400;

function shorten(text: string): string {
  const clean = text.replace(/[\u0000-\u001f\u007f]/g, '?');
  return clean.length <= MAX_WHY ? clean : `${clean.slice(0, MAX_WHY - 3)}...`;
}

/** RFC 8601 section 2.7.2. */
export const resultOf = ({ result, scope, domain }: IdentityCheck): AuthenticationResult => ({
  method: 'spf',
  result,
  properties: [[scope === 'helo' ? 'smtp.helo' : 'smtp.mailfrom', domain]],
});

const DOT_ATOM = /^[\w!#$%&'*+\-/=?^`{|}~]+(?:\.[\w!#$%&'*+\-/=?^`{|}~]+)*$/;

const keyValue = (value: string): string => (DOT_ATOM.test(value) ? value : quotedString(value));

/** The value of Received-SPF, with the keys in the order of Mail::SPF. RFC 7208 section 9.1. */
export function receivedSpf({ result, scope, why, receiver, sender, helo, ip }: IdentityCheck): string {
  const pairs: readonly (readonly [string, string])[] = [
    ['receiver', receiver],
    ['identity', scope === 'helo' ? 'helo' : 'mailfrom'],
    ...(sender === undefined ? [] : ([['envelope-from', sender]] as const)),
    ['helo', helo],
    ['client-ip', ip],
  ];
  const last = pairs.length - 1;
  const list = pairs.map(([key, value], index) => `${key}=${keyValue(value)}${index < last ? ';' : ''}`);
  return foldField('Received-SPF', [`${result} ${commentOf(why)}`, ...list]);
}
