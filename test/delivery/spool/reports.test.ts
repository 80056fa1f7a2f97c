import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NotifyEvent, Recipient } from '../../../bindings/plugin/index.ts';
import type { MailOptions } from '../../../bindings/plugin/connection.ts';
import type { SendingClient } from '../../../bindings/plugin/delivery.ts';
import { address } from '../transaction.ts';
import { deferred, delivered, refused, unreachable, type Delivered } from './fake-outlet.ts';
import { DAY, givenSpool, HOUR, MINUTE, mailWith } from './given-spool.ts';

const notifying = (mailbox: string, notify?: readonly NotifyEvent[]): Recipient => ({
  address: address(mailbox),
  parameters: new Map(),
  options: { notify, originalRecipient: undefined },
});

const CLIENT: SendingClient = {
  ip: '192.0.2.1',
  port: 25,
  host: undefined,
  helloHost: 'c.example',
  protocol: 'ESMTP',
  user: undefined,
  localIp: '192.0.2.2',
  localPort: 25,
};

type Given = ReturnType<typeof givenSpool>;

/** What went back to the sender so far. */
const reports = ({ outlet }: Given): Delivered[] => outlet.deliveries.filter(({ from }) => from === '');

/** The parts of a report between its boundary, the header in front. */
function partsOf({ text }: Delivered): string[] {
  const boundary = /boundary="([^"]+)"/.exec(text)![1]!;
  const parts = text.split(`\r\n--${boundary}`);
  expect(parts.at(-1)).toBe('--\r\n');
  return parts.slice(0, -1);
}

async function refusedWith(
  options: Partial<MailOptions>,
  to: readonly (string | Recipient)[] = ['a@x.example'],
) {
  const given = givenSpool();
  given.outlet.answer = (_, mail) => (mail.reversePath.isNull ? delivered : refused);
  await given.spool.deliver(mailWith({ to, text: 'Subject: lost\r\nX-One: 1\r\n\r\nthe body\r\n', options }));
  await given.pass(MINUTE);
  return given;
}

describe('a failure', () => {
  it('is reported as RFC 3464 has it, with the header of the message', async () => {
    const given = await refusedWith({ envid: 'QQ314159' });
    const [report, ...rest] = reports(given);
    expect(rest).toEqual([]);
    expect(report!.to).toEqual(['s@c.example']);
    const [top = '', notification = '', status = '', original = ''] = partsOf(report!);
    expect(top).toContain('To: <s@c.example>\r\n');
    expect(top).toContain('From: Mail Delivery System <MAILER-DAEMON@mx.test>\r\n');
    expect(top).toContain('Auto-Submitted: auto-replied\r\n');
    expect(top).toContain('Content-Type: multipart/report; report-type=delivery-status;');
    expect(notification).toContain('Content-Type: text/plain; charset=utf-8');
    expect(notification).toContain('<a@x.example>\r\n    mx.example said: 550 5.1.1 no such user');
    expect(status).toContain('Content-Type: message/delivery-status');
    const [message, recipient] = status.split('\r\n\r\n').slice(1);
    expect(message!.split('\r\n')).toEqual([
      'Reporting-MTA: dns; mx.test',
      'Original-Envelope-Id: QQ314159',
      expect.stringMatching(/^Arrival-Date: \w{3}, \d+ Nov 2026 /),
    ]);
    expect(recipient!.trimEnd().split('\r\n')).toEqual([
      'Final-Recipient: rfc822; a@x.example',
      'Action: failed',
      'Status: 5.1.1',
      'Remote-MTA: dns; mx.example',
      'Diagnostic-Code: smtp; 550 5.1.1 no such user',
      expect.stringMatching(/^Last-Attempt-Date: /),
    ]);
    expect(original).toContain('Content-Type: text/rfc822-headers');
    expect(original).toContain('Subject: lost\r\nX-One: 1\r\n');
    expect(original).not.toContain('the body');
  });

  it.each([
    [{ ret: 'full' }, 'message/rfc822', true],
    [{ ret: 'hdrs' }, 'text/rfc822-headers', false],
    [{ ret: 'full', requireTls: true }, 'text/rfc822-headers', false],
    [{ ret: 'full', body: 'binarymime' }, 'text/rfc822-headers', false],
  ] as const)('under %j returns %s', async (options, type, isFull) => {
    const given = await refusedWith(options);
    const original = partsOf(reports(given)[0]!)[3]!;
    expect(original).toContain(`Content-Type: ${type}\r\n`);
    expect(original.includes('the body')).toBe(isFull);
    const { requireTls = false } = options as Partial<MailOptions>;
    expect(reports(given)[0]!.mail.mailOptions.requireTls).toBe(requireTls);
  });

  it('of several recipients at once makes one report, with ORCPT as it was given', async () => {
    const listed: Recipient = {
      ...notifying('b@x.example'),
      options: { notify: undefined, originalRecipient: { type: 'rfc822', address: 'list@z.example' } },
    };
    const given = await refusedWith({}, ['a@x.example', listed]);
    expect(reports(given)).toHaveLength(1);
    const status = partsOf(reports(given)[0]!)[2]!;
    expect(status.match(/^Final-Recipient: /gm)).toHaveLength(2);
    expect(status).toContain(
      'Original-Recipient: rfc822; list@z.example\r\nFinal-Recipient: rfc822; b@x.example',
    );
  });

  it.each([
    [undefined, 1],
    [['failure'], 1],
    [['delay', 'failure'], 1],
    [['never'], 0],
    [['success'], 0],
    [['delay'], 0],
  ] as const)('under NOTIFY=%j is reported %i times', async (notify, count) => {
    const given = await refusedWith({}, [notifying('a@x.example', notify)]);
    expect(reports(given)).toHaveLength(count);
  });

  it('of a bounce that came from elsewhere ends it with a line in the log', async () => {
    const given = givenSpool();
    given.outlet.answer = () => refused;
    await given.spool.deliver({ ...mailWith({ from: '', to: ['a@x.example'] }), client: CLIENT });
    await given.pass(MINUTE);
    expect(given.outlet.attempts).toBe(1);
    expect(readdirSync(join(given.path, 'new'))).toEqual([]);
    expect(given.log.join('\n')).toContain(
      'from <> to <a@x.example>: dropped: nobody is told about a report',
    );
  });

  it('lets nothing that a hop has said begin a field of its own', async () => {
    const given = givenSpool();
    const lines = ['no\r\nFinal-Recipient: rfc822; evil@x', `${'long '.repeat(400)}`, '\u001b[2J'];
    given.outlet.answer = (_, { reversePath }) =>
      reversePath.isNull
        ? delivered
        : { ...refused, hop: 'a\r\nb', reply: { code: 550, status: undefined, lines } };
    await given.spool.deliver(mailWith({ to: ['a@x.example'] }));
    await given.pass(MINUTE);
    const { text } = reports(given)[0]!;
    expect(text.match(/^Final-Recipient:/gm)).toHaveLength(1);
    expect(text).not.toContain('\u001b');
    expect(text).toContain('Status: 5.0.0');
    for (const line of text.split('\r\n')) expect(line.length).toBeLessThanOrEqual(998);
  });
});

describe('a report that cannot leave', () => {
  const kept = (given: Given): string[] => readdirSync(join(given.path, 'new'));

  it.each([
    ['is refused', { keepReportsMs: 7 * DAY }, refused, MINUTE],
    ['is never taken', { keepReportsMs: 7 * DAY, lifeMs: DAY, delayNoticeMs: 0 }, deferred, 3 * DAY],
    ['finds no hop', { keepReportsMs: 7 * DAY, lifeMs: DAY, delayNoticeMs: 0 }, unreachable, 3 * DAY],
  ] as const)('because it %s is kept, and goes with a line in the log', async (_, terms, outcome, ms) => {
    const given = givenSpool(terms);
    given.outlet.answer = (_, { reversePath }) => (reversePath.isNull ? outcome : refused);
    await given.spool.deliver(mailWith({ to: ['a@x.example'] }));
    await given.pass(ms, ms / 100);
    expect(kept(given)).toHaveLength(1);
    const [id] = kept(given);
    expect(given.log.join('\n')).toContain(`warn ${id}: kept: from <> to <s@c.example>: `);
    const { attempts } = given.outlet;
    await given.pass(7 * DAY - HOUR - ms, 12 * HOUR);
    expect(kept(given)).toEqual([id]);
    expect(given.outlet.attempts).toBe(attempts);
    await given.pass(2 * HOUR + 4 * DAY, 12 * HOUR);
    expect(kept(given)).toEqual([]);
    expect(given.log.join('\n')).toContain(`warn ${id}: from <> to <s@c.example>: dropped: nobody is told`);
    // No report on a report.
    expect(given.outlet.attempts).toBe(attempts);
  });

  it('stays kept where the index has to be made anew', async () => {
    const given = givenSpool();
    given.outlet.answer = () => refused;
    await given.spool.deliver(mailWith({ to: ['a@x.example'] }));
    await given.pass(MINUTE);
    const [id] = kept(given);
    await given.spool.close(0);
    rmSync(join(given.path, 'index'), { recursive: true });
    const again = givenSpool({}, { path: given.path, clock: given.clock });
    await again.pass(HOUR);
    expect(kept(again)).toEqual([id]);
    expect(again.outlet.attempts).toBe(0);
    await again.pass(8 * DAY, 12 * HOUR);
    expect(kept(again)).toEqual([]);
  });

  it('is not kept where the operator wants none', async () => {
    const given = givenSpool({ keepReportsMs: 0 });
    given.outlet.answer = () => refused;
    await given.spool.deliver(mailWith({ to: ['a@x.example'] }));
    await given.pass(MINUTE);
    expect(kept(given)).toEqual([]);
    expect(given.log.join('\n')).toContain('to <s@c.example>: dropped: nobody is told about a report');
  });
});

describe('the end of a message', () => {
  it('comes after five days, with the last reply', async () => {
    const given = givenSpool({ delayNoticeMs: 0 });
    given.outlet.answer = (_, { reversePath }) => (reversePath.isNull ? delivered : deferred);
    await given.spool.deliver(mailWith({ to: ['a@x.example'] }));
    await given.pass(5 * DAY - HOUR, 10 * MINUTE);
    expect(reports(given)).toHaveLength(0);
    await given.pass(2 * HOUR, 10 * MINUTE);
    expect(reports(given)).toHaveLength(1);
    const status = partsOf(reports(given)[0]!)[2]!;
    expect(status).toContain('Action: failed\r\nStatus: 4.4.7\r\n');
    expect(status).toContain('Diagnostic-Code: smtp; 451 4.3.2 not now');
    const { attempts } = given.outlet;
    await given.pass(DAY, HOUR);
    expect(given.outlet.attempts).toBe(attempts);
  });

  it('comes for all that wait for a destination that is never reached', async () => {
    const given = givenSpool({ delayNoticeMs: 0 });
    given.outlet.answer = (_, { reversePath }) => (reversePath.isNull ? delivered : unreachable);
    for (let count = 0; count < 10; count++)
      await given.spool.deliver(mailWith({ to: [`${count}@x.example`] }));
    await given.pass(5 * DAY + HOUR, 30 * MINUTE);
    expect(reports(given)).toHaveLength(10);
    // Ten messages job the tries of their destination.
    expect(given.outlet.attempts).toBeLessThan(60);
  });

  it('does not come before the first attempt, however long the daemon was down', async () => {
    const given = givenSpool();
    await given.spool.deliver(mailWith({ to: ['a@x.example'] }));
    given.clock.ms += 10 * DAY;
    await given.pass(MINUTE);
    expect(given.outlet.deliveries.map(({ to }) => to)).toEqual([['a@x.example']]);
  });
});

describe('a delay', () => {
  it('is reported once, after four hours', async () => {
    const given = givenSpool();
    given.outlet.answer = (_, { reversePath }) => (reversePath.isNull ? delivered : unreachable);
    await given.spool.deliver(mailWith({ to: ['a@x.example'] }));
    await given.pass(4 * HOUR - MINUTE, 5 * MINUTE);
    expect(reports(given)).toHaveLength(0);
    await given.pass(2 * MINUTE);
    expect(reports(given)).toHaveLength(1);
    const status = partsOf(reports(given)[0]!)[2]!;
    expect(status).toContain('Action: delayed\r\nStatus: 4.4.1\r\n');
    expect(status).toContain('Will-Retry-Until: ');
    expect(status).toContain('Diagnostic-Code: x-qpsmtpd; 451 4.4.1 connection refused');
    await given.pass(2 * DAY, HOUR);
    expect(reports(given)).toHaveLength(1);
  });

  it.each([[['never']], [['failure']], [['success']]] as const)('is not under NOTIFY=%j', async (notify) => {
    const given = givenSpool();
    given.outlet.answer = () => deferred;
    await given.spool.deliver(mailWith({ to: [notifying('a@x.example', notify)] }));
    await given.pass(6 * HOUR, 30 * MINUTE);
    given.outlet.answer = () => delivered;
    await given.pass(6 * HOUR, 30 * MINUTE);
    expect(reports(given).filter(({ text }) => text.includes('Action: delayed'))).toHaveLength(0);
    expect(given.outlet.deliveries.some(({ from }) => from !== '')).toBe(true);
  });
});

describe('success', () => {
  it.each([
    [['success'], 'mx.example', false, 'relayed'],
    [['success'], undefined, false, 'delivered'],
    [['success'], 'mx.example', true, undefined],
    [undefined, 'mx.example', false, undefined],
    [['failure'], 'mx.example', false, undefined],
  ] as const)(
    'under NOTIFY=%j at %s (reports itself: %j) is told as %s',
    async (notify, hop, isReportedByHop, action) => {
      const given = givenSpool();
      given.outlet.answer = () => ({ ...delivered, hop, isReportedByHop });
      await given.spool.deliver(mailWith({ to: [notifying('a@x.example', notify)] }));
      await given.pass(MINUTE);
      expect(reports(given)).toHaveLength(action === undefined ? 0 : 1);
      if (action !== undefined)
        expect(reports(given)[0]!.text).toContain(`Action: ${action}\r\nStatus: 2.0.0\r\n`);
    },
  );
});

describe('addresses in UTF-8', () => {
  const utf8 = (text: string): string => Buffer.from(text, 'latin1').toString('utf8');

  it('go back under SMTPUTF8 where the sender has one', async () => {
    const given = givenSpool();
    given.outlet.answer = (_, { reversePath }) => (reversePath.isNull ? delivered : refused);
    const options = { isUtf8: true };
    await given.spool.deliver(mailWith({ from: 'jörg@ö.example', to: ['ä@x.example'], options }));
    await given.pass(MINUTE);
    const [report] = reports(given);
    expect(report!.mail.mailOptions).toMatchObject({ isUtf8: true, body: '8bitmime' });
    expect(report!.mail.message.hasEightBit).toBe(true);
    const [, , status = '', original = ''] = partsOf(report!);
    expect(status).toContain('Content-Type: message/global-delivery-status');
    expect(utf8(status)).toContain('Final-Recipient: utf-8; ä@x.example');
    expect(original).toContain('Content-Type: message/global-headers');
  });

  it('are spelt out where the sender has none', async () => {
    const given = givenSpool();
    given.outlet.answer = (_, { reversePath }) => (reversePath.isNull ? delivered : refused);
    await given.spool.deliver(mailWith({ to: ['ä+b@x.example'], options: { isUtf8: true } }));
    await given.pass(MINUTE);
    const status = partsOf(reports(given)[0]!)[2]!;
    expect(status).toContain('Content-Type: message/delivery-status');
    expect(status).toContain('Final-Recipient: utf-8; \\x{E4}\\x{2B}b@x.example');
  });
});
