import {
  definePlugin,
  error,
  pluginNames,
  skip,
  z,
  type Answer,
  type Config,
  type HookContext,
  type Log,
} from '../../bindings/plugin/index.ts';
import { canonicalDomain } from '../../bindings/wire/domain-name.ts';
import { verifyChain } from '../mailauth/arc-chain.ts';
import { SigningKeys, type SigningKey } from '../mailauth/signing-keys.ts';
import { arcSet } from './sealer.ts';

const options = z.object({
  /** The domain that seals what is passed on; its keys are those of `dkim`. */
  seal: z
    .string()
    .transform((text, context) => {
      const domain = canonicalDomain(text);
      if (domain?.includes('.') === true) return domain;
      context.addIssue({ code: 'custom', message: 'must be a domain that has a key in dkim/DOMAIN' });
      return z.NEVER;
    })
    .optional(),
});
type Context = HookContext<z.output<typeof options>>;

/** Checks chains of forwarders, and adds a link where this host is one of them. RFC 8617. */
export default definePlugin({
  name: 'arc',
  about: 'Verifies ARC chains for Authentication-Results, and seals what is passed on.',
  options,
  onError: 'skip',
  hooks({ config, log, options: { seal }, services }) {
    if (seal === undefined) return { data_post_headers: verify };
    requireSealing(config, log);
    const keys = new SigningKeys(config, services.files, (text) => log.warn(text));
    return {
      data_post_headers: verify,
      queue_pre: (context) => sealMessage(context, seal, keys),
    };
  },
});

/** Outlets into mailboxes and programs of this site: nobody further on reads a seal. */
const LAST_STOPS: ReadonlySet<string> = new Set([
  'queue/maildir',
  'queue/pipe',
  'queue/webhook',
  'queue/quarantine',
]);

function requireSealing(config: Config, log: Log): void {
  const names = pluginNames(config);
  if (names.includes('queue/cut-through'))
    throw new Error('arc seal does not go together with queue/cut-through: leave one of them out');
  const queues = names.filter((name) => name.startsWith('queue/'));
  if (queues.length > 0 && queues.every((name) => LAST_STOPS.has(name)))
    log.warn(`seal has no use: ${queues.join(', ')} passes no message on`);
}

async function verify(context: Context): Promise<void> {
  const { connection, transaction } = context;
  if (connection.relayClient) return;
  const { comment, fault, result, sets } = await verifyChain(context);
  if (result === undefined) {
    context.log.error(`error, the chain could not be checked: ${fault}`);
    return;
  }
  if (context.transaction !== transaction) return;
  const last = sets.at(-1);
  const passed = last && `i=${last.instance} as.d=${last.domain}`;
  context.log.info(
    `${result}${comment === undefined ? '' : `, ${comment}`}${passed === undefined ? '' : `, ${passed}`}`,
  );
  connection.addAuthenticationResult({
    method: 'arc',
    result,
    comment: comment ?? passed,
    properties: [['smtp.remote-ip', connection.remoteIp]],
  });
}

/** After all other changes of the header: what is added later is not covered, and what is taken out breaks the seal. */
async function sealMessage(context: Context, domain: string, keys: SigningKeys): Promise<Answer> {
  const { config, connection, services, transaction } = context;
  if (connection.relayClient) return skip('relay client');
  const { header } = transaction.message;
  // The field on top is then the client's, with results that it has made up.
  const isOurs = config.lines('me-auth-results')[0] !== 'none';
  const results = isOurs ? header.get('Authentication-Results') : undefined;
  if (results === undefined) return error('no set without Authentication-Results: me-auth-results says none');
  const chain = await verifyChain(context);
  if (chain.result === undefined) return error(`not sealed, ${chain.fault}`);
  let fields;
  try {
    const key = sealingKey(await keys.of(domain), domain);
    fields = await arcSet(transaction.message, results, chain, key, Math.floor(services.clock.now() / 1_000));
  } catch (cause) {
    return error(`not sealed, ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  if (context.transaction !== transaction) return undefined;
  if (fields === undefined) return skip('the chain takes no further set');
  for (const [name, value] of fields) header.prepend(name, value);
  return undefined;
}

/** Few verifiers know Ed25519, and a chain has one seal for each hop. */
function sealingKey(found: readonly SigningKey[], domain: string): SigningKey {
  const key = found.find(({ algorithm }) => algorithm === 'rsa-sha256') ?? found[0];
  if (key === undefined)
    throw new Error(`dkim/${domain} has no key: \`qpsmtpd dkim-key ${domain}\` makes one`);
  return key;
}
