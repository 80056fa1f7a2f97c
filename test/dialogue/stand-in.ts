import { createServer, type AddressInfo, type Server } from 'node:net';
import type { Duplex } from 'node:stream';

/** Answers by command: octets to write, or `close` and `reset` for what they say. A command not listed is not answered. */
export type Answers = Readonly<Record<string, string>>;

/** Makes a stream answer line by line as a server that knows nothing but its list. */
export function answerLines(stream: Duplex, greeting: string, answers: Answers): void {
  let pending = '';
  stream.on('error', () => undefined);
  stream.write(greeting);
  stream.on('data', (chunk: Buffer) => {
    pending += chunk.toString('latin1');
    for (let feed = pending.indexOf('\n'); feed >= 0; feed = pending.indexOf('\n')) {
      const line = pending.slice(0, feed).replace(/\r$/, '');
      pending = pending.slice(feed + 1);
      const answer = answers[line];
      if (answer === 'close') stream.end();
      else if (answer === 'reset') (stream as Duplex & { resetAndDestroy(): void }).resetAndDestroy();
      else if (answer !== undefined) stream.write(answer);
    }
  });
}

/** Listens on a free port of the loopback interface; every connection is answered as `answerLines` does. */
export async function listenStandIn(
  greeting: string,
  answers: Answers,
): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((socket) => answerLines(socket, greeting, answers));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}
