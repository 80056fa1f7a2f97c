import { expect, test } from 'vitest';
import { testPlugin, printVerdict } from '../../host/testing/index.ts';
import {
  quarantine,
  type DeliveryReport,
  type Outlet,
  type MailObject,
} from '../../bindings/plugin/index.ts';
import plugin from '../../plugins/queue/quarantine.ts';

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
  const asked = testPlugin(plugin, {
    options: 'maildir /var/mail/held 750',
    outlets: (options) => (opened.push(options), outlet),
  });
  const { session } = asked;
  session.begin({ from: '<>', to: ['u@x'], message: 'X-Quarantine-Reason: none\r\nSubject: s\r\n\r\nx\r\n' });
  return { ...asked, kept, opened };
}

test('what nobody has marked is left to the next plugin', async () => {
  const { ask, kept, opened } = keeping();
  expect(printVerdict(await ask('queue'))).toBe('DECLINED');
  expect(opened).toEqual(['maildir /var/mail/held 750']);
  expect(kept).toEqual([]);
});

test('what is marked goes to the outlet with the reason on top; the sender cannot write one; the client sees it accepted', async () => {
  const { ask, kept, session, log } = keeping();
  session.transaction.notes.set(quarantine, 'looks like\r\nX-Evil: malware\u0000');
  expect(printVerdict(await ask('queue'))).toBe('OK Queued! <1@x>');
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
  expect(printVerdict(await ask('queue'))).toBe('DENYSOFT Queued! <1@x>');
});
