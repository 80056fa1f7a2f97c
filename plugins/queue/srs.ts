import { DomainList } from '../../bindings/lists/index.ts';
import {
  Address,
  defineOutlet,
  wholeNumber,
  z,
  type CompiledList,
  type Outlet,
  type Setup,
} from '../../bindings/plugin/index.ts';
import { canonicalDomain } from '../../bindings/wire/domain-name.ts';
import { readSrsFiles, rewrite, type SrsFiles } from '../sender-rewriting/srs-address.ts';

/** A path with its brackets. RFC 5321 section 4.5.3.1.3. */
const MAX_PATH = 256;

const options = z.object({
  /** Letters of the hash in new addresses. */
  hash: wholeNumber(4, 27).default(4),
  /** Octets of the longest local part that is made. RFC 5321 section 4.5.3.1.1. */
  local_part: wholeNumber(64, 250).default(64),
  via: z
    .array(z.string())
    .refine(
      ([outlet]) => outlet !== 'spool',
      'the spool would report to the rewritten sender: write `queue/spool DIRECTORY via srs via OUTLET`',
    ),
});

/** Rewrites the reverse-path of what is forwarded, and hands the message to another outlet. */
export default defineOutlet({
  name: 'queue/srs',
  about: 'Rewrites the reverse-path of forwarded mail (SRS) and hands it on by another outlet.',
  options,
  rest: 'via',
  outlet: (setup) => new SrsOutlet(setup),
});

class SrsOutlet implements Outlet {
  readonly reaches: Outlet['reaches'];
  readonly #setup: Setup<z.output<typeof options>>;
  readonly #outlet: Outlet;
  readonly #files: SrsFiles;
  readonly #own: readonly CompiledList<DomainList>[];

  constructor(setup: Setup<z.output<typeof options>>) {
    const { config, log, options, services } = setup;
    this.#setup = setup;
    this.#files = readSrsFiles(setup);
    this.#own = ['rcpthosts', 'srs_exclude'].map((name) =>
      config.list(name, (lines) => new DomainList(lines, { log })),
    );
    const outlet = services.outlets.open(options.via.join(' '));
    this.#outlet = outlet;
    this.reaches = (address) => outlet.reaches?.(address) ?? true;
  }

  deliver: Outlet['deliver'] = (mail, signal) => {
    const reversePath = this.#rewritten(mail.reversePath, mail.id);
    return this.#outlet.deliver(reversePath === mail.reversePath ? mail : { ...mail, reversePath }, signal);
  };

  #rewritten(reversePath: Address, id: string): Address {
    if (reversePath.isNull || this.#isOwn(reversePath)) return reversePath;
    const { log, options, services } = this.#setup;
    const terms = { keys: this.#files.keys.current, hashLength: options.hash, nowMs: services.clock.now() };
    const { localPart, canonicalDomain: domain } = reversePath;
    const sender = new Address(localPart, domain ?? reversePath.domain);
    const made = rewrite(sender, this.#files.domains.current[0]!, terms);
    const length = Buffer.byteLength(made.localPart);
    if (length <= options.local_part && Buffer.byteLength(made.toString()) <= MAX_PATH) return made;
    log.notice(
      `${id}: the reverse-path ${reversePath.toString()} stays: rewritten, its local part would have ${length} octets`,
    );
    return reversePath;
  }

  /** Domains whose SPF records, if any, name this host: there is nothing to be gained. */
  #isOwn({ canonicalDomain: domain }: Address): boolean {
    if (domain === undefined) return false;
    const { me } = this.#setup.config;
    return (
      domain === '' ||
      domain === canonicalDomain(me) ||
      this.#files.domains.current.includes(domain) ||
      this.#own.some((list) => list.current.has(domain))
    );
  }
}
