/** Mail data as it is kept: dot-stuffing is undone wherever the dots stand. RFC 5321 section 4.5.2. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import { TestServer } from '../../host/testing/index.ts';

test('dots close together, far apart and both in one message', async () => {
  let kept = '';
  const keeper = definePlugin({
    name: 'keeper',
    about: 'Keeps what it is given.',
    hooks: {
      rcpt: () => ok(),
      async queue({ transaction: { message } }) {
        kept = '';
        for await (const block of message.body('crlf')) kept += block.toString('latin1');
        return ok('kept');
      },
    },
  });
  const server = await TestServer.start({ plugins: [keeper] });
  const client = await server.greeted();
  const line = fc.constantFrom('.', '..', '.x', 'x', '', `.${'y'.repeat(70)}`, 'z'.repeat(900));
  const lines = fc.array(fc.tuple(line, fc.integer({ min: 1, max: 400 })), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(lines, async (runs) => {
      const body = runs.map(([text, count]) => `${text}\r\n`.repeat(count)).join('');
      await client.say('MAIL FROM:<a@b.example>');
      await client.say('RCPT TO:<u@example.test>');
      await client.say('DATA');
      client.send(`Subject: x\r\n\r\n${body.replace(/^\./gm, '..')}.\r\n`);
      expect(await client.reply()).toBe('250 kept');
      expect(kept).toBe(`\r\n${body}`);
    }),
    { numRuns: 60, seed: 5321 },
  );
  await server.close();
});
