/** A DNS for tests: its zones are an object, its time moves when the test says so, and it keeps a record of what was asked. */

import type {
  DnsAnswer,
  DnsOptions,
  DnsService,
  MailExchanger,
  Resolver,
  TlsaRecord,
} from '../../bindings/plugin/resolver.ts';
import { yieldTurn } from '../../bindings/timing/turn.ts';
import { plainName } from '../../bindings/wire/dns-name.ts';
import { failedAnswer, noSuchName } from '../dns/answer-limit.ts';
import { pointerName } from '../dns/question.ts';

/** What a question meets in place of an answer. `timeout`: none comes, until the time of the fake or a signal ends the wait. */
export type FakeDnsFault = 'NXDOMAIN' | 'SERVFAIL' | 'REFUSED' | 'unreachable' | 'timeout';

/** What one name has. A type that is left out it does not have; a fault stands for the answers of one type. */
export interface FakeDnsName {
  readonly A?: readonly string[] | FakeDnsFault;
  readonly AAAA?: readonly string[] | FakeDnsFault;
  readonly PTR?: readonly string[] | FakeDnsFault;
  /** `10 mx.example.org`; `0 .` for a domain that takes no mail. */
  readonly MX?: readonly string[] | FakeDnsFault;
  readonly TXT?: readonly string[] | FakeDnsFault;
  readonly TLSA?: readonly TlsaRecord[] | FakeDnsFault;
  /** The name is an alias of this one. */
  readonly CNAME?: string;
  /** DNSSEC vouches for it. Undefined: it does not. */
  readonly isSecure?: boolean;
  /** How long answers take, in milliseconds of the fake's time; aliases add up. Undefined: they are there at once. */
  readonly delayMs?: number;
  /** It is known without a question, to those who can ask so (`resolve4Now`). */
  readonly isKept?: boolean;
}

/**
 * By name of the DNS, or by IP address for its PTR records. Names that are missing do not exist; that is as secure as the
 * listed name above.
 */
export type FakeDnsZones = Readonly<Record<string, FakeDnsName | FakeDnsFault>>;

interface RecordsOf {
  readonly A: string;
  readonly AAAA: string;
  readonly PTR: string;
  readonly MX: MailExchanger;
  readonly TXT: string;
  readonly TLSA: TlsaRecord;
  readonly CNAME: string;
}

/** A clock that the test moves, for all that waits in it. */
export interface FakeDnsClock {
  /** Calls `run` once, when `ms` milliseconds have passed. The function returned cancels that. */
  after(ms: number, run: () => void): () => void;
  advance(ms: number): void;
}

interface Waiting {
  readonly dueMs: number;
  readonly run: () => void;
}

/** What is known of a name in the end, and how long that takes. */
interface Outcome {
  readonly answer: DnsAnswer<unknown> | 'timeout';
  readonly delayMs: number;
}

const FAULTS: ReadonlySet<unknown> = new Set<FakeDnsFault>([
  'NXDOMAIN',
  'SERVFAIL',
  'REFUSED',
  'unreachable',
  'timeout',
]);
const MAX_ALIASES = 8;
/** As the real one waits if the question has no limit. */
const TIMEOUT_MS = 5_000;

export class FakeResolver implements DnsService {
  /** The same zones. */
  readonly authenticated: Resolver;
  readonly #zones = new Map<string, FakeDnsName | FakeDnsFault>();
  readonly #questions: string[] = [];
  readonly #waiting = new Set<Waiting>();
  /** Callers that wait for a question to be asked. */
  #listeners: (() => void)[] = [];
  readonly #clock: FakeDnsClock | undefined;
  /** Of its own time; stands still under a clock of the test. */
  #nowMs = 0;

  readonly resolve4: Resolver['resolve4'];
  readonly resolve6: Resolver['resolve6'];
  readonly reverse: Resolver['reverse'];
  readonly mx: Resolver['mx'];
  readonly txt: Resolver['txt'];
  readonly tlsa: Resolver['tlsa'];
  readonly cname: Resolver['cname'];
  readonly resolve4Now: Resolver['resolve4Now'];
  readonly resolve4For: Resolver['resolve4For'];

  /** Throws a `TypeError` for what is no zone. Undefined `clock`: a time of its own. */
  constructor(zones: FakeDnsZones = {}, clock?: FakeDnsClock) {
    this.#clock = clock;
    for (const [name, said] of Object.entries(zones)) this.set(name, said);
    this.authenticated = this.#methods();
    ({
      resolve4: this.resolve4,
      resolve6: this.resolve6,
      reverse: this.reverse,
      mx: this.mx,
      txt: this.txt,
      tlsa: this.tlsa,
      cname: this.cname,
      resolve4Now: this.resolve4Now,
      resolve4For: this.resolve4For,
    } = this.authenticated);
  }

  /** Every question so far as `TYPE name`, such as `MX example.org` and `PTR 192.0.2.3`, in their order. */
  get questions(): readonly string[] {
    return this.#questions;
  }

  /** Changes what a name has; undefined: it does not exist any more. */
  set(name: string, said: FakeDnsName | FakeDnsFault | undefined): void {
    if (said === undefined) return void this.#zones.delete(keyOf(name));
    requireZone(name, said);
    this.#zones.set(keyOf(name), said);
  }

  /** Resolves once the question, written as in `questions`, has been asked that often. */
  async whenAsked(question: string, times = 1): Promise<void> {
    while (this.#questions.filter((asked) => asked === question).length < times)
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
  }

  /**
   * Lets the fake's time go on, or the clock of the test. What is due is answered in its order; the event loop goes round
   * before the first answer, after the last one, and in a time of the fake's own between two of them.
   */
  async advance(ms: number): Promise<void> {
    await yieldTurn();
    if (this.#clock !== undefined) {
      this.#clock.advance(ms);
      return yieldTurn();
    }
    const endMs = this.#nowMs + ms;
    for (;;) {
      const [next] = [...this.#waiting].sort((a, b) => a.dueMs - b.dueMs);
      if (next === undefined || next.dueMs > endMs) break;
      this.#waiting.delete(next);
      this.#nowMs = next.dueMs;
      next.run();
      await yieldTurn();
    }
    this.#nowMs = endMs;
  }

  #after(ms: number, run: () => void): () => void {
    if (this.#clock !== undefined) return this.#clock.after(ms, run);
    const waiting: Waiting = { dueMs: this.#nowMs + ms, run };
    this.#waiting.add(waiting);
    return () => void this.#waiting.delete(waiting);
  }

  #methods(): Resolver {
    const method =
      <T extends keyof RecordsOf>(type: T) =>
      async (name: string, options: DnsOptions = {}): Promise<DnsAnswer<RecordsOf[T]>> => {
        const answer = await this.#ask(name, type, options.timeoutMs ?? TIMEOUT_MS, options.signal);
        // The zones are by type, and so are the records that come out of them.
        return answer as DnsAnswer<RecordsOf[T]>;
      };
    const resolve4 = method('A');
    return {
      resolve4,
      resolve4Now: (name) => this.#kept(name),
      resolve4For: (name, receiver, options) =>
        void resolve4(name, options).then((answer) => receiver.receive(answer)),
      resolve6: method('AAAA'),
      reverse: (address, options) =>
        pointerName(address) === undefined
          ? Promise.resolve(noSuchName(plainName(address)))
          : method('PTR')(address, options),
      mx: method('MX'),
      txt: method('TXT'),
      tlsa: method('TLSA'),
      cname: method('CNAME'),
    };
  }

  #kept(name: string): DnsAnswer<string> | undefined {
    const key = keyOf(name);
    const said = this.#zones.get(key);
    if (typeof said !== 'object' || said.isKept !== true) return undefined;
    const { answer } = this.#outcomeOf(key, 'A');
    return answer === 'timeout' ? undefined : (answer as DnsAnswer<string>);
  }

  #ask(
    name: string,
    type: keyof RecordsOf,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<DnsAnswer<unknown>> {
    const key = keyOf(name);
    if (signal?.aborted === true) return Promise.resolve(failedAnswer(key, 'aborted'));
    this.#questions.push(`${type} ${plainName(name)}`);
    for (const heard of this.#listeners.splice(0)) heard();
    const { answer, delayMs } = this.#outcomeOf(key, type);
    const isLate = answer === 'timeout' || delayMs >= timeoutMs;
    if (!isLate && delayMs === 0) return Promise.resolve(answer);
    return new Promise((resolve) => {
      const settle = (result: DnsAnswer<unknown>): void => {
        cancel();
        signal?.removeEventListener('abort', abort);
        resolve(result);
      };
      const abort = (): void => settle(failedAnswer(key, 'aborted'));
      const cancel = this.#after(isLate ? timeoutMs : delayMs, () =>
        settle(isLate ? failedAnswer(key, 'timeout') : answer),
      );
      signal?.addEventListener('abort', abort);
    });
  }

  #outcomeOf(key: string, type: keyof RecordsOf): Outcome {
    let at = key;
    let isSecure = true;
    let delayMs = 0;
    for (let steps = 0; steps <= MAX_ALIASES; steps++) {
      const said = this.#zones.get(at) ?? 'NXDOMAIN';
      isSecure &&= this.#isSecure(at);
      const facts = { isSecure, canonicalName: at };
      if (typeof said === 'string') return { answer: faultAnswer(said, facts), delayMs };
      delayMs += said.delayMs ?? 0;
      const found = type === 'CNAME' ? aliasOf(said) : said[type];
      if (typeof found === 'string') return { answer: faultAnswer(found, facts), delayMs };
      if (found !== undefined && found.length > 0) {
        const records = type === 'MX' ? (found as readonly string[]).map(parseMx) : found;
        return { answer: { ...facts, status: 'found', records }, delayMs };
      }
      if (said.CNAME === undefined) return { answer: { ...facts, status: 'no such record' }, delayMs };
      at = plainName(said.CNAME);
    }
    return { answer: failedAnswer(key, 'aliases without end'), delayMs };
  }

  /** Of a name that is not listed, or whose zone has not said: as the next name above that has. */
  #isSecure(key: string): boolean {
    for (let at = key; ; at = at.slice(at.indexOf('.') + 1)) {
      const said = this.#zones.get(at);
      if (typeof said === 'object') return said.isSecure ?? false;
      if (!at.includes('.')) return false;
    }
  }
}

/** A resolver for `services.dns` in tests, with the zones given. Undefined `clock`: a time of its own. */
export const fakeResolver = (zones: FakeDnsZones = {}, clock?: FakeDnsClock): FakeResolver =>
  new FakeResolver(zones, clock);

const keyOf = (name: string): string => pointerName(name) ?? plainName(name);

const aliasOf = ({ CNAME }: FakeDnsName): readonly string[] =>
  CNAME === undefined ? [] : [plainName(CNAME)];

function faultAnswer(
  fault: FakeDnsFault,
  facts: { readonly isSecure: boolean; readonly canonicalName: string },
): DnsAnswer<never> | 'timeout' {
  if (fault === 'timeout') return fault;
  return fault === 'NXDOMAIN'
    ? { ...facts, status: 'no such name' }
    : failedAnswer(facts.canonicalName, fault);
}

const MX = /^(\d{1,5}) (\S+)$/;

function parseMx(text: string): MailExchanger {
  const [, preference, exchange = ''] = MX.exec(text) ?? [];
  return { exchange: plainName(exchange), preference: Number(preference) };
}

/** A slip of the pen must not look like a failure of the DNS. */
function requireZone(name: string, said: FakeDnsName | FakeDnsFault): void {
  const types = Object.entries(typeof said === 'string' ? { ANY: said } : said);
  for (const [type, value] of types) {
    if (type !== 'CNAME' && typeof value === 'string' && !FAULTS.has(value))
      throw new TypeError(`${name} ${type}: '${value}' is none of ${[...FAULTS].join(', ')}`);
  }
  const { MX: hosts = [] } = typeof said === 'string' ? {} : said;
  for (const host of typeof hosts === 'string' ? [] : hosts)
    if (!MX.test(host)) throw new TypeError(`${name} MX: '${host}' is no PREFERENCE HOST`);
}
