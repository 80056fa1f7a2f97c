/** Tells a hop who the client of a mail object is: by PROXY, by XCLIENT, by XFORWARD, or by several of them. */

import type { HopIntroduction, HopTalk, Introduced, IntroductionOptions } from './hop-options.ts';
import type { Log } from '../../../bindings/plugin/index.ts';
import { HopFault, isGood, printReply } from './hop-fault.ts';
import { attributeLine, attributeLines, xclientAttributes, xforwardAttributes } from './client-attributes.ts';
import { proxyHeader } from './proxy-header.ts';

/** The key of mail objects that may share connections with all others. */
const SHARED = '';
/** The key of messages of our own. */
const OURS = 'ours';

export class ClientIntroduction implements HopIntroduction {
  readonly #terms: IntroductionOptions;
  readonly #log: Log;

  constructor(terms: IntroductionOptions, log: Log) {
    this.#terms = terms;
    this.#log = log;
  }

  /**
   * PROXY and XCLIENT hold for the whole connection, so it must not serve another client: the hop would judge the one by
   * what it knows of the other. XFORWARD holds for one message.
   */
  keyOf({ client }: Introduced): string {
    const { proxy, xclient } = this.#terms;
    if (proxy !== true && xclient !== true) return SHARED;
    if (client === undefined) return OURS;
    const ends = [client.ip, client.port, client.localIp, client.localPort];
    const rest = xclient === true ? [client.host, client.helloHost, client.protocol] : [];
    return JSON.stringify([...ends, ...rest]);
  }

  beforeGreeting({ client }: Introduced): Buffer | undefined {
    return this.#terms.proxy === true ? proxyHeader(client) : undefined;
  }

  async afterHello(talk: HopTalk, introduced: Introduced): Promise<void> {
    if (this.#terms.xclient === true) await sayXclient(talk, introduced);
    if (this.#terms.xforward === true && !talk.extensions.has('XFORWARD')) {
      this.#log.notice('the next hop does not offer XFORWARD: it is not told who the client is');
    }
  }

  /** The hop forgets it with the message. What is refused does not keep the mail: Postfix does the same. */
  async beforeMail(talk: HopTalk, introduced: Introduced): Promise<void> {
    const offered = talk.extensions.get('XFORWARD');
    if (this.#terms.xforward !== true || offered === undefined) return;
    for (const line of attributeLines('XFORWARD', xforwardAttributes(introduced), offered)) {
      const reply = await talk.say(line);
      if (isGood(reply)) continue;
      this.#log.warn(`${introduced.id}: the next hop refuses XFORWARD: ${printReply(reply)}`);
      return;
    }
  }
}

/**
 * A hop that would take our address for the client's might let everybody relay, so without XCLIENT it gets nothing. The
 * words are those of qpsmtpd's queue/smtp-forward.
 */
async function sayXclient(talk: HopTalk, { client }: Introduced): Promise<void> {
  if (client === undefined) return;
  const line = attributeLine('XCLIENT', xclientAttributes(client), talk.extensions.get('XCLIENT') ?? '');
  if (!line.includes(' ADDR=')) throw unable('Server does not advertise XCLIENT support');
  const reply = await talk.say(line);
  if (!isGood(reply)) throw unable('XCLIENT failed', printReply(reply));
  // Its reply is the greeting of the session that begins with it.
  await talk.hello().catch((cause: unknown) => {
    throw unable('HELLO after XCLIENT failed', cause instanceof Error ? cause.message : String(cause));
  });
}

function unable(what: string, why?: string): HopFault {
  const reply = { code: 451, status: undefined, lines: [what] };
  return new HopFault('introduction', reply, why === undefined ? what : `${what}: ${why}`);
}
