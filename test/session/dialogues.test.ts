/** Plays every golden dialogue against a whole server in this process: in whole lines, and octet by octet. */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { version } from '../../host/package/package-root.ts';
import { TestServer } from '../../host/testing/index.ts';
import { replayTranscript } from '../dialogue/replay-transcript.ts';
import { StreamWire } from '../dialogue/stream-wire.ts';
import { parseDialogueFile, type DialogueFile } from './dialogue-file.ts';

const folder = fileURLToPath(new URL('dialogues/', import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith('.txt'));
const servers: TestServer[] = [];
afterAll(() => Promise.all(servers.map((server) => server.close())));

async function play({ plugins, config, transcript }: DialogueFile, cut: 'whole' | 'bytes'): Promise<void> {
  const server = await TestServer.start({ plugins, config });
  servers.push(server);
  const wire = new StreamWire(server.connectStream());
  const { expected, actual } = await replayTranscript(wire, transcript, { cut });
  wire.close();
  expect(actual).toEqual(expected);
}

test('there are dialogues', () => expect(names.length).toBeGreaterThan(10));

describe.each(names)('%s', (name) => {
  const dialogue = parseDialogueFile(readFileSync(`${folder}${name}`, 'utf8').replaceAll('VERSION', version));
  test(dialogue.title, () => play(dialogue, 'whole'));
  test(`${dialogue.title}, octet by octet`, () => play(dialogue, 'bytes'));
});
