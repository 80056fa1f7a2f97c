/** Routes in a whole daemon: two outlets in one message, a hop that is gone, and a file that changes meanwhile. */

import { setTimeout as pause } from 'node:timers/promises';
import { createTransport } from 'nodemailer';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { messagesOf, RunningDaemon, Workplace } from './daemon.ts';
import { describeWithReceiver } from './receivers/described.ts';
import { missingDovecot, startDovecot } from './receivers/dovecot.ts';

/** How long a changed file may take to be noticed. */
const NOTICED_MS = 60_000;

async function send(port: number, subject: string, ...to: string[]): Promise<string> {
  const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true });
  try {
    return (await transport.sendMail({ from: 'a@b.example', to, subject, text: 'x\n' })).response;
  } catch (error) {
    return (error as Error).message;
  } finally {
    transport.close();
  }
}

const subjects = (messages: readonly Buffer[]): string[] =>
  messages.map((octets) => /^Subject: (.*?)\r?$/m.exec(octets.toString('latin1'))?.[1] ?? '').sort();

describeWithReceiver('Dovecot', missingDovecot())('routes', () => {
  test('split a message, put it off as a whole while a hop is gone, and follow their file', async () => {
    const store = await startDovecot();
    const place = new Workplace();
    const box = join(place.folder, 'here');
    place.write({
      rcpthosts: 'here.test\nthere.test',
      plugins: 'rcpt_ok\nqueue/routes',
      routes: `there.test lmtp unix:${store.socket}\nhere.test maildir ${box}`,
    });
    const daemon = await RunningDaemon.start(place);
    try {
      const both = ['u@here.test', 'u@there.test'];
      expect(await send(daemon.port, 'both', ...both)).toMatch(/^250 /);
      expect(subjects(await store.messages())).toEqual(['both']);
      expect(subjects(messagesOf(box))).toEqual(['both']);

      await store.kill();
      expect(await send(daemon.port, 'late', ...both)).toMatch(/\b4\d\d /);
      expect(subjects(messagesOf(box)), 'nobody has what the client has to send again').toEqual(['both']);
      expect(await send(daemon.port, 'local', 'u@here.test')).toMatch(/^250 /);
      await store.restart();

      place.write({ routes: `here.test maildir ${box}\nthere.test nowhere` });
      await until(() => daemon.log.includes('the last good routes stay'), daemon.port);
      expect(daemon.log).toMatch(/routes:2: Plugin queue\/nowhere not found/);
      place.write({ routes: `* maildir ${box}` });
      await until(() => subjects(messagesOf(box)).includes('probe'), daemon.port);
      expect(await send(daemon.port, 'moved', 'u@there.test')).toMatch(/^250 /);
      expect(subjects(messagesOf(box))).toContain('moved');
    } finally {
      await daemon.end();
      await store.stop();
      place.remove();
    }
  });
});

/** Sends to there.test, because the file is looked at for a message, until `isTrue`. */
async function until(isTrue: () => boolean, port: number): Promise<void> {
  for (const deadline = Date.now() + NOTICED_MS; !isTrue();) {
    if (Date.now() > deadline) throw new Error('the changed file was not noticed');
    await send(port, 'probe', 'u@there.test');
    await pause(100);
  }
}
