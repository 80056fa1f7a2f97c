/** Signing as a hook of plugins: whose key, in which form, once a message. */

import {
  error,
  oneOf,
  pluginNames,
  pass,
  skip,
  transactionNote,
  wholeNumber,
  z,
  type Config,
  type Finding,
  type HookContext,
  type Setup,
} from '../../bindings/plugin/index.ts';
import { canonicalDomain } from '../../bindings/wire/domain-name.ts';
import type { Canonicalization } from './body-digest.ts';
import { splitMessage, type SplitMessage } from './header-text.ts';
import { signaturesOf } from './message-signer.ts';
import { authorsOf } from './signature-verifier.ts';
import { SigningKeys, type SigningKey } from './signing-keys.ts';

const DAY_S = 86_400;

/** For the line of a plugin that signs. */
export const signingOptions = z.object({
  /** How header and body are made comparable. RFC 6376 section 3.4. */
  canonicalization: z
    .string()
    .toLowerCase()
    .pipe(z.enum(['relaxed/relaxed', 'relaxed/simple', 'simple/relaxed', 'simple/simple']))
    .default('relaxed/relaxed'),
  /** Days until signatures expire; 0 for never. */
  expire: wholeNumber(0, 3_650).default(0),
  /** `own`: a login such as `ann@example.org` signs for example.org and what is below it; one without a domain for none. */
  logins: oneOf(['any', 'own']).default('any'),
});
export type SigningOptions = z.output<typeof signingOptions>;

const signed = transactionNote<boolean>('dkim_signed');

/**
 * A function that signs the message of a client that may relay, to be called in `queue_pre`: whatever other plugins put into the
 * header has to be there before.
 */
export function openSigner({
  config,
  log,
  options,
  onCheck,
  services,
}: Setup<SigningOptions>): (context: HookContext) => Promise<Finding> {
  const keys = new SigningKeys(config, services.files, (text) => log.warn(text));
  onCheck(() => keys.findings());
  const [header, body] = options.canonicalization.split('/') as [Canonicalization, Canonicalization];
  return async ({ connection, transaction }) => {
    if (!connection.relayClient) return skip('not a relay client');
    // A line `dkim` and one `dkimsign` make one signature.
    if (transaction.notes.get(signed) === true) return skip('signed already');
    const message = await splitMessage(transaction.message);
    try {
      const user = options.logins === 'own' ? connection.auth?.user : undefined;
      const own = await keysFor(message, transaction.reversePath?.domain ?? '', keys, user);
      if (typeof own === 'string') return skip(own);
      const time = Math.floor(services.clock.now() / 1_000);
      const expires = options.expire === 0 ? undefined : time + options.expire * DAY_S;
      const values = await signaturesOf(message, own, { header, body, time, expires });
      for (const value of values) transaction.message.header.prepend('DKIM-Signature', value);
      transaction.notes.set(signed, true);
      return pass(`signed as ${own.map(nameOf).join(' and ')}`);
    } catch (failure) {
      return error(`not signed: ${failure instanceof Error ? failure.message : String(failure)}`);
    } finally {
      await message.close();
    }
  };
}

const nameOf = ({ domain, selector, algorithm }: SigningKey): string =>
  `${domain} (${selector}, ${algorithm})`;

/**
 * Those of the author's domain, so that DMARC finds the signature aligned (RFC 9989 section 4.4), else those of the
 * reverse-path's; or why there are none.
 */
async function keysFor(
  { fields }: SplitMessage,
  envelopeDomain: string,
  keys: SigningKeys,
  /** The login whose domain has to match; undefined: any domain will do. */
  user: string | undefined,
): Promise<readonly SigningKey[] | string> {
  const fromFields = fields.filter(({ key }) => key === 'from').length;
  // With none or several of them a signature vouches for an author that readers may not see. RFC 6376 sections 5.3 and 8.15.
  if (fromFields !== 1) return `${fromFields} From fields`;
  const [author = ''] = await authorsOf(fields);
  const asked: string[] = [];
  for (const name of [author.slice(author.lastIndexOf('@') + 1), envelopeDomain]) {
    const domain = canonicalDomain(name) ?? '';
    if (domain === '' || asked.includes(domain)) continue;
    asked.push(domain);
    if (user !== undefined && !isOfLogin(domain, user)) continue;
    const found = await keys.of(domain);
    if (found.length > 0) return found;
  }
  if (user !== undefined && !asked.every((domain) => isOfLogin(domain, user)))
    return `${user} may not sign for ${asked.join(' or ')}`;
  return `no key for ${asked.join(' or ') || 'any domain'}`;
}

/** One user must not send signed mail in the name of the domain of another. */
function isOfLogin(domain: string, user: string): boolean {
  const own = user.includes('@') ? canonicalDomain(user.slice(user.lastIndexOf('@') + 1)) : undefined;
  return own !== undefined && own !== '' && `.${domain}`.endsWith(`.${own}`);
}

/** With it the header has left before the message can be signed. */
export const isCutThrough = (config: Config): boolean => pluginNames(config).includes('queue/cut-through');
