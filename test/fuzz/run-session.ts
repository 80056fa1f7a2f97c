/** Talks to a whole server in this process: sends octets as they are cut, and listens until the server hangs up. */
import { definePlugin, ok, type Message } from '../../bindings/plugin/index.ts';
import { TestServer } from '../../host/testing/index.ts';

/** A server that does not hang up after the client has is wedged. */
const PATIENCE_MS = 20_000;

/** The last message that was queued: its content as it stands after the header the server added. */
export const queued: { content: string | undefined } = { content: undefined };

async function contentOf(message: Message): Promise<string> {
  const parts: Buffer[] = [];
  for await (const block of message.blocks('crlf')) parts.push(block);
  return Buffer.concat(parts).latin1Slice();
}

const acceptor = definePlugin({
  name: 'acceptor',
  about: 'Takes recipients at example.test and every message.',
  hooks: {
    rcpt: (_, { domain }) => (domain === 'example.test' ? ok() : undefined),
    async queue({ transaction }) {
      queued.content = await contentOf(transaction.message);
      return ok('queued');
    },
  },
});

/** Authentication-Results are left alone, so that content is compared as it came but for one field on top. */
export const server = await TestServer.start({
  plugins: [acceptor],
  config: {
    'me-auth-results': 'none',
    databytes: '70000',
    size_threshold: '20000',
    loglevel: '0',
    max_commands: '0',
  },
});

/** Everything the server says to these pieces and the end of the stream behind them, one character an octet. */
export function runSession(pieces: Iterable<Uint8Array>): Promise<string> {
  const stream = server.connectStream();
  return new Promise((resolve, reject) => {
    let heard = '';
    const timer = setTimeout(() => {
      stream.destroy();
      reject(new Error(`the server is silent; so far it said ${JSON.stringify(heard.slice(-300))}`));
    }, PATIENCE_MS);
    const end = (): void => {
      clearTimeout(timer);
      stream.destroy();
      resolve(heard);
    };
    stream.setEncoding('latin1');
    stream.on('data', (text: string) => (heard += text));
    stream.on('end', end).on('close', end).on('error', end);
    for (const piece of pieces) stream.write(piece);
    stream.end();
  });
}

/** Waits until no session is left; a session that stays is a leak. */
export async function expectNoSessions(): Promise<void> {
  for (let turn = 0; server.server.sessions > 0; turn++) {
    if (turn > 1_000) throw new Error(`${server.server.sessions} sessions are left`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const free = server.server.core.openData();
server.server.core.closeData(free);

/** Throws if a message that is gone still holds its place in the core. */
export function expectNoSlots(): void {
  const slot = server.server.core.openData();
  server.server.core.closeData(slot);
  if (slot !== free) throw new Error(`slot ${free} of the core was not given back`);
}
