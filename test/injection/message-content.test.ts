/** A content is poured as fast as the session takes it, and no faster. */

import { duplexPair, Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { pour } from '../../host/injection/message-content.ts';
import { SmtpDialogue } from '../../host/injection/smtp-dialogue.ts';

test('of an endless content no more is read than a session has room for that takes nothing', async () => {
  const [clientEnd, serverEnd] = duplexPair();
  let produced = 0;
  const line = Buffer.from(`${'x'.repeat(998)}\r\n`);
  const source = new Readable({
    read() {
      produced += line.length;
      this.push(line);
    },
  });
  const poured = pour(source, new SmtpDialogue(clientEnd));
  for (let turns = 0; turns < 1_000; turns++) await turn();
  const stopped = produced;
  expect(stopped).toBeLessThan(400_000);
  for (let turns = 0; turns < 100; turns++) await turn();
  expect(produced).toBe(stopped);

  serverEnd.write('421 closing\r\n');
  expect((await poured).end).toBe('answered');
  expect(source.isPaused()).toBe(true);
});
