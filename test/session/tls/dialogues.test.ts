/** Golden dialogues with a TLS handshake inside, over loopback sockets: in whole lines, and octet by octet. */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { connect as connectTls } from 'node:tls';
import { once } from 'node:events';
import { afterAll, describe, expect, test } from 'vitest';
import { TestClient, TestServer } from '../../../host/testing/index.ts';
import { version } from '../../../host/package/package-root.ts';
import { replayTranscript } from '../../dialogue/replay-transcript.ts';
import { connectWire } from '../../dialogue/stream-wire.ts';
import { answerOf, CertificateFolder, makePair, SecureServer } from '../../tls/secure-server.ts';
import { parseDialogueFile } from '../dialogue-file.ts';

const dialogues = fileURLToPath(new URL('dialogues/', import.meta.url));
const names = readdirSync(dialogues).filter((name) => name.endsWith('.txt'));
const folder = new CertificateFolder();
const tls = `tls ${folder.write('mx', makePair('mx.test'))}`;
afterAll(() => folder.remove());

test('there are dialogues', () => expect(names.length).toBeGreaterThan(2));

describe.each(names)('%s', (name) => {
  const text = readFileSync(`${dialogues}${name}`, 'utf8')
    .replaceAll('VERSION', version)
    .replaceAll('@TLS@', tls);
  const { title, plugins, config, transcript } = parseDialogueFile(text);
  test.each(['whole', 'bytes'] as const)(`${title} (%s)`, async (cut) => {
    const server = await SecureServer.start({ plugins, config });
    const wire = await connectWire(server.port);
    const { expected, actual } = await replayTranscript(wire, transcript, { cut });
    wire.close();
    await server.close();
    expect(actual).toEqual(expected);
  });
});

test('STARTTLS works on streams that are no sockets', async () => {
  const server = await TestServer.start({ plugins: [tls, 'rcpt_ok'] });
  const stream = server.connectStream();
  for (const line of ['', 'EHLO c.example\r\n', 'STARTTLS\r\n'])
    await answerOf(stream, line, /^\d{3} .*\r\n$/m);
  const secured = connectTls({ socket: stream, rejectUnauthorized: false });
  await once(secured, 'secureConnect');
  const client = new TestClient(secured);
  expect(await client.say('EHLO c.example')).not.toContain('STARTTLS');
  expect(await client.say('QUIT')).toMatch(/^221 /);
  secured.destroy();
  await server.close();
});
