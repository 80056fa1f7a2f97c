import type { Address } from '../../../bindings/wire/address.ts';
import { QpsmtpdError } from '../../../host/errors/error-classes.ts';

/** AMQP keeps routing keys in short strings. AMQP 0-9-1 section 4.2.5.3. */
const MAX_OCTETS = 255;

/** Throws with a remedy if the pattern means nothing. */
export function checkRoutingKey(pattern: string): void {
  const odd = /%(?![ldu%])./.exec(pattern)?.[0] ?? (/(?:^|[^%])(?:%%)*%$/.test(pattern) ? '%' : undefined);
  if (odd !== undefined) {
    throw new QpsmtpdError(
      'Q_PLUGIN_OPTION',
      `routing_key: ${odd} means nothing (use %l, %d, %u, or %% for a percent sign)`,
    );
  }
}

/**
 * The routing key of a recipient: %l (local part), %d (domain), %u (mailbox), in lower case and with A-labels, so that a
 * client can't miss a binding by writing in capitals or U-labels. Undefined if it would be too long for AMQP, or if there
 * can be no such domain.
 */
export function routingKeyOf(pattern: string, address: Address): string | undefined {
  const { canonicalDomain: domain, canonicalMailbox } = address;
  if (domain === undefined) return undefined;
  const mailbox = canonicalMailbox.toLowerCase();
  const localPart = domain === '' ? mailbox : mailbox.slice(0, -domain.length - 1);
  const values: Readonly<Record<string, string>> = { l: localPart, d: domain, u: mailbox, '%': '%' };
  const key = pattern.replace(/%([ldu%])/g, (_, letter: string) => values[letter]!);
  return Buffer.byteLength(key) > MAX_OCTETS ? undefined : key;
}
