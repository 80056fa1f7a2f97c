import { expect, test } from 'vitest';
import {
  quarantine,
  type DeliveryReport,
  type Outlet,
  type MailObject,
} from '../../bindings/plugin/index.ts';
import plugin from '../../plugins/queue/quarantine.ts';
import { messageOf, transactionOf } from '../delivery/transaction.ts';
import { given, words } from './plugin-context.ts';

/** The plugin over an outlet that answers with `code`, and the messages that got there. */
function keeping(code = 250) {
  const kept: string[] = [];
  const opened: string[] = [];
  const outlet: Outlet = {
    deliver({ recipients, message }: MailObject): Promise<DeliveryReport> {
      kept.push(Buffer.concat([...(message.blocks('lf') as Iterable<Buffer>)]).toString());
      const kind = code < 300 ? 'delivered' : 'deferred';
      const reply = { code, status: undefined, lines: ['Queued! <1@x>'] };
      return Promise.resolve(recipients.map(() => ({ kind, reply, hop: undefined })));
    },
  };
  const open = (line: string) => {
    opened.push(line);
    return { ...outlet, ready: Promise.resolve() };
  };
  const asked = given(plugin, { words: 'maildir /var/mail/held 750', services: { outlets: { open } } });
  const { session } = asked;
  session.transaction = transactionOf(messageOf('X-Quarantine-Reason: none\r\nSubject: s\r\n\r\nx\r\n'), [
    'u@x',
  ]);
  return { ...asked, kept, opened };
}

test('what nobody has marked is left to the next plugin', async () => {
  const { ask, kept, opened } = keeping();
  expect(words(await ask('queue'))).toBe('DECLINED');
  expect(opened).toEqual(['maildir /var/mail/held 750']);
  expect(kept).toEqual([]);
});

test('what is marked goes to the outlet with the reason on top; the sender cannot write one; the client sees it accepted', async () => {
  const { ask, kept, session, log } = keeping();
  session.transaction.notes.set(quarantine, 'looks like\r\nX-Evil: malware\u0000');
  expect(words(await ask('queue'))).toBe('OK Queued! <1@x>');
  expect(kept).toEqual(['X-Quarantine-Reason: looks like X-Evil: malware \nSubject: s\n\nx\n']);
  expect(log[0]).toBe('[c1] (queue) queue/quarantine: quarantine: looks like X-Evil: malware ');
});

test('a long reason is cut', async () => {
  const { ask, kept, session } = keeping();
  session.transaction.notes.set(quarantine, 'x'.repeat(100_000));
  await ask('queue');
  expect(kept[0]!.split('\n').every((line) => line.length <= 998)).toBe(true);
});

test('if it cannot be kept the client is put off: the next plugin would deliver it', async () => {
  const { ask, session } = keeping(451);
  session.transaction.notes.set(quarantine, 'bad');
  expect(words(await ask('queue'))).toBe('DENYSOFT Queued! <1@x>');
});
