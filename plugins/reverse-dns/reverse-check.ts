/** The names of a client's address in the DNS, and whether one of them leads back to it. RFC 8601 section 3. */

import { canonicalIpAddress, shareNetwork } from '../../bindings/lists/index.ts';
import { transactionNote, type HookContext, type Resolver, type Task } from '../../bindings/plugin/index.ts';
import type { AuthenticationResult } from '../../bindings/wire/authentication-result.ts';
import { plainName } from '../../bindings/wire/dns-name.ts';
import { isHostName } from '../../bindings/wire/domain-name.ts';

/**
 * Names that are looked at. The owner of an address may give it hundreds, each of which would be two questions more; RFC 7208
 * section 4.6.4 has the same bound.
 */
export const MAX_NAMES = 10;

/** Two rounds of questions have to fit into what plugins may take by default. */
export const MAX_DNS_SECONDS = 14;

/** RFC 8601 section 2.7.3. */
export interface ReverseCheck {
  readonly result: 'pass' | 'fail' | 'temperror' | 'permerror';
  /** For the log. */
  readonly reason: string;
  /** Host names alone, in lower case and without the final dot. */
  readonly names: readonly string[];
  /** Addresses of the names, in the client's family. */
  readonly addresses: readonly string[];
}

export interface ReverseCheckOptions {
  /** Of the question for the names, and once more of those for their addresses, which are asked at a time. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

type Dns = Pick<Resolver, 'reverse' | 'resolve4' | 'resolve6'>;

/** Never rejects. */
export async function checkReverse(
  dns: Dns,
  ip: string,
  options: ReverseCheckOptions,
): Promise<ReverseCheck> {
  const nothing = { names: [], addresses: [] };
  const answer = await dns.reverse(ip, options);
  if (answer.status === 'failed') {
    return {
      result: 'temperror',
      reason: `no answer about the names of ${ip}: ${answer.reason}`,
      ...nothing,
    };
  }
  if (answer.status !== 'found') return { result: 'permerror', reason: `${ip} has no name`, ...nothing };
  const names = hostNames(answer.records);
  if (names.length === 0) return { result: 'fail', reason: `${ip} has no host name`, ...nothing };
  return compare(ip, names, await addressesOf(dns, ip, names, options));
}

/** A PTR record may hold any octets, and what is no host name must reach neither the log nor a question of ours. */
export function hostNames(records: readonly string[]): readonly string[] {
  const names = new Set<string>();
  for (const record of records) {
    const name = plainName(record);
    if (isHostName(name)) names.add(name);
    if (names.size === MAX_NAMES) break;
  }
  return [...names];
}

interface Forward {
  readonly addresses: readonly string[];
  readonly failure: string | undefined;
}

/** Asks for all names at a time; once one leads to the client, the others are not waited for. */
async function addressesOf(
  dns: Dns,
  ip: string,
  names: readonly string[],
  { timeoutMs, signal }: ReverseCheckOptions,
): Promise<Forward> {
  const client = canonicalIpAddress(ip);
  const isKnown = new AbortController();
  const ask = client?.includes(':') === true ? dns.resolve6 : dns.resolve4;
  const limit = { timeoutMs, signal: AbortSignal.any([signal, isKnown.signal]) };
  let failure: string | undefined;
  const found = await Promise.all(
    names.map(async (name) => {
      const answer = await ask.call(dns, name, limit);
      if (answer.status === 'failed') failure ??= `no answer about ${name}: ${answer.reason}`;
      if (answer.status !== 'found') return [];
      const addresses = answer.records.map((address) => canonicalIpAddress(address) ?? address);
      if (client !== undefined && addresses.includes(client)) isKnown.abort();
      return addresses;
    }),
  );
  return { addresses: found.flat(), failure };
}

function compare(ip: string, names: readonly string[], { addresses, failure }: Forward): ReverseCheck {
  const facts = { names, addresses };
  if (addresses.includes(canonicalIpAddress(ip) ?? ip)) return { result: 'pass', reason: 'match', ...facts };
  if (failure !== undefined) return { result: 'temperror', reason: failure, ...facts };
  const reason =
    addresses.length === 0 ? `no name of ${ip} has an address` : `no name of ${ip} leads back to it`;
  return { result: 'fail', reason, ...facts };
}

/** Some site's hosts share a network and lead to each other: that, too, was a match to qpsmtpd. */
export const leadsToNetwork = (ip: string, { addresses }: ReverseCheck): boolean =>
  addresses.some((address) => shareNetwork(address, ip, 24, 128));

/** What the task brings; it is begun if it was not, for a client that a proxy has named after `connect`, say. */
export function taskResult<T>(
  tasks: HookContext['tasks'],
  task: Task<T>,
  begin: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (tasks.result(task) === undefined) tasks.start(task, begin);
  return tasks.result(task)!;
}

const isTold = transactionNote<boolean>('iprev_told');

/** Adds the result to the message at MAIL. One alone, though two plugins make the check. */
export function tellResult(
  { connection, transaction: { notes } }: HookContext,
  result: AuthenticationResult,
): void {
  if (notes.get(isTold) === true) return;
  notes.set(isTold, true);
  connection.addAuthenticationResult(result);
}
