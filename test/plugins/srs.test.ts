import { describe, expect, test } from 'vitest';
import { Address, type MailObject, type Outlet } from '../../bindings/plugin/index.ts';
import { address, printVerdict, TestClock, testPlugin } from '../../host/testing/index.ts';
import { reverse, rewrite } from '../../plugins/sender-rewriting/srs-address.ts';
import queueSrs from '../../plugins/queue/srs.ts';
import srs from '../../plugins/srs.ts';

const KEYS = ['first-secret-of-16', 'second-secret-of-16'];
const TODAY = Date.UTC(2026, 10, 30);
const DAY = 86_400_000;
const TERMS = { keys: KEYS, hashLength: 4, nowMs: TODAY };

/** What Debian's postsrsd makes of them with these keys on this day. */
const VECTORS = [
  ['joe@example.org', 'SRS0=v1LK=JT=example.org=joe@fwd.example'],
  ['Joe.User@Example.ORG', 'SRS0=+Kus=JT=Example.ORG=Joe.User@fwd.example'],
  ['a=b@c.example', 'SRS0=LdUE=JT=c.example=a=b@fwd.example'],
  ['SRS0=aaaa=bb=src.example=u@other.example', 'SRS1=snXw=other.example==aaaa=bb=src.example=u@fwd.example'],
  ['SRS0+aaaa=bb=src.example=u@other.example', 'SRS1=yFjU=other.example=+aaaa=bb=src.example=u@fwd.example'],
  ['SRS0-odd@other.example', 'SRS1=izKI=other.example=-odd@fwd.example'],
] as const;

describe('the forms of SRS', () => {
  test.each(VECTORS)('%s becomes %s, and leads back', (sender, made) => {
    const rewritten = rewrite(address(sender), 'fwd.example', TERMS);
    expect(rewritten.mailbox).toBe(made);
    expect((reverse(rewritten.localPart, 21, TERMS) as Address).mailbox).toBe(sender);
  });

  test('a third forwarder leads back to the first one', () => {
    const third = rewrite(
      address('SRS1=zzzz=one.example==aaaa=bb=src.example=u@two.example'),
      'fwd.example',
      TERMS,
    );
    expect(third.mailbox).toBe('SRS1=TU5r=one.example==aaaa=bb=src.example=u@fwd.example');
    expect((reverse(third.localPart, 21, TERMS) as Address).mailbox).toBe(
      'SRS0=aaaa=bb=src.example=u@one.example',
    );
  });

  test('whatever becomes of the case on the way, it leads back', () => {
    const { localPart } = rewrite(address('joe@example.org'), 'fwd.example', TERMS);
    for (const changed of [localPart.toLowerCase(), localPart.toUpperCase()])
      expect((reverse(changed, 21, TERMS) as Address).mailbox.toLowerCase()).toBe('joe@example.org');
  });

  test('all keys verify, the first signs; a key that is gone verifies no more', () => {
    const old = rewrite(address('joe@example.org'), 'fwd.example', { ...TERMS, keys: [KEYS[1]!] });
    expect(reverse(old.localPart, 21, TERMS)).toBeInstanceOf(Address);
    expect(reverse(old.localPart, 21, { ...TERMS, keys: [KEYS[0]!] })).toBe('hash');
  });

  test.each([
    [0, true],
    [21, true],
    [22, false],
    [500, false],
    [1_022, false],
    // Another host of ours may already be in tomorrow.
    [-1, true],
    [-2, false],
  ])('after %i days it is still taken: %s', (days, isTaken) => {
    const made = rewrite(address('joe@example.org'), 'fwd.example', { ...TERMS, nowMs: TODAY - days * DAY });
    const found = reverse(made.localPart, 21, TERMS);
    expect(typeof found === 'string' ? found : found.mailbox).toBe(isTaken ? 'joe@example.org' : 'expired');
  });

  test('every octet that is changed is noticed', () => {
    for (const [sender] of VECTORS) {
      const { localPart } = rewrite(address(sender), 'fwd.example', TERMS);
      for (let at = 5; at < localPart.length; at++) {
        const other = localPart[at] === 'q' || localPart[at] === 'Q' ? 'w' : 'q';
        const found = reverse(localPart.slice(0, at) + other + localPart.slice(at + 1), 21, TERMS);
        expect(['form', 'hash', 'expired'], `${localPart} at ${at}`).toContain(found);
      }
    }
  });

  test.each([
    'SRS0=',
    'SRS0=aaaa',
    'SRS0=aaaa=JT=host',
    'SRS0=aaaa=JT==user',
    'SRS0=====',
    'SRS1=aaaa=host',
    'SRS1=aaaa=host=rest',
    'SRS2=a=b=c=d',
    `SRS0=${'='.repeat(60)}`,
  ])('%s is of no form of ours', (localPart) => {
    expect(['form', 'hash']).toContain(reverse(localPart, 21, TERMS));
  });

  test('a shorter hash is not taken, a longer one is', () => {
    const long = rewrite(address('joe@example.org'), 'fwd.example', { ...TERMS, hashLength: 8 });
    expect(reverse(long.localPart, 21, TERMS)).toBeInstanceOf(Address);
    expect(reverse(long.localPart, 21, { ...TERMS, hashLength: 9 })).toBe('hash');
    expect(reverse('SRS0==JT=example.org=joe', 21, TERMS)).toBe('hash');
  });

  test('addresses that need quotes come back as they were', () => {
    for (const sender of [
      new Address('a b', 'c.example'),
      new Address('joe', '[192.0.2.1]'),
      new Address('jö', 'xn--bcher-kva.example'),
    ]) {
      const made = rewrite(sender, 'fwd.example', TERMS);
      expect((reverse(made.localPart, 21, TERMS) as Address).toString()).toBe(sender.toString());
    }
  });
});

const config = {
  srs_keys: KEYS,
  srs_domains: ['fwd.example', 'old.example'],
  rcpthosts: ['here.example', '.below.example'],
};
const clock = () => new TestClock(TODAY);

describe('queue/srs', () => {
  async function handOn(reversePath: string, options = '', files = {}) {
    const handed: MailObject[] = [];
    const outlet: Outlet = {
      deliver(mail) {
        handed.push(mail);
        return Promise.resolve(
          mail.recipients.map(() => ({
            kind: 'delivered',
            reply: { code: 250, status: undefined, lines: ['ok'] },
            hop: 'mx',
          })),
        );
      },
      reaches: ({ domain }) => domain === 'a.example',
    };
    const opened: string[] = [];
    const outlets = (spec: string) => (opened.push(spec), outlet);
    const tested = testPlugin(queueSrs, {
      options: `${options} via smtp-forward mx`,
      config: { ...config, ...files },
      clock: clock(),
      outlets,
    });
    tested.begin({
      from: address(reversePath),
      to: ['<u@there.example>'],
      message: 'Subject: x\r\n\r\nx\r\n',
    });
    const verdict = printVerdict(await tested.ask('queue'));
    return {
      sender: handed[0]!.reversePath.mailbox,
      verdict,
      log: tested.log,
      opened,
      outlet: tested.outlet,
    };
  }

  test.each([
    ['joe@example.org', 'SRS0=v1LK=JT=example.org=joe@fwd.example'],
    // The one spelling of the domain.
    ['joe@EXAMPLE.org.', 'SRS0=v1LK=JT=example.org=joe@fwd.example'],
    ['joe@bücher.example', 'xn--bcher-kva.example=joe@fwd.example'],
    ['', ''],
    ['a@fwd.example', 'a@fwd.example'],
    ['a@OLD.example', 'a@OLD.example'],
    ['a@here.example', 'a@here.example'],
    ['a@x.below.example', 'a@x.below.example'],
    ['a@mx.example', 'a@mx.example'],
    ['a@partner.example', 'a@partner.example'],
  ])('hands <%s> on as <%s>', async (sender, made) => {
    const handed = await handOn(sender, '', { srs_exclude: ['partner.example'] });
    if (sender.includes('ü')) expect(handed.sender).toContain(made);
    else expect(handed.sender).toBe(made);
    expect(handed.verdict).toBe('OK ok');
    expect(handed.opened.at(-1)).toBe('smtp-forward mx');
  });

  test('a sender whose address would become too long stays, and the log says so', async () => {
    const sender = `bounces+${'1234567890'.repeat(3)}@mail.lists.example.org`;
    const short = await handOn(sender);
    expect(short.sender).toBe(sender);
    expect(short.log.join('\n')).toMatch(
      /the reverse-path <bounces.* stays: rewritten, its local part would have 74 octets/,
    );
    expect((await handOn(sender, 'local_part 80')).sender).toMatch(/^SRS0=.*@fwd\.example$/);
    // A path has 256 octets at most, whatever the line says.
    const host = `${'x'.repeat(60)}.`.repeat(4).slice(0, -1);
    expect((await handOn(`a@${host}`, 'local_part 250')).sender).toBe(`a@${host}`);
  });

  test('a longer hash', async () => {
    expect((await handOn('joe@example.org', 'hash 8')).sender).toMatch(/^SRS0=v1LK.{4}=JT=/);
  });

  test('reaches whom its outlet reaches', async () => {
    const { outlet } = await handOn('joe@example.org');
    expect([outlet.reaches?.(address('x@a.example')), outlet.reaches?.(address('x@b.example'))]).toEqual([
      true,
      false,
    ]);
  });

  test.each([
    [{}, 'via smtp-forward mx', 'srs_keys has no key'],
    [
      { srs_keys: ['short'] },
      'via smtp-forward mx',
      'key 1 of srs_keys is too short: it takes 16 characters',
    ],
    [{ srs_keys: KEYS, srs_domains: ['a..b'] }, 'via smtp-forward mx', 'is no name that a domain can have'],
    [
      { srs_keys: KEYS },
      'via spool /var/spool/x via smtp-forward mx',
      'write `queue/spool DIRECTORY via srs via OUTLET`',
    ],
    [{ srs_keys: KEYS }, '', 'via'],
  ])('%j with `%s` keeps the daemon from starting: %s', (files, options, problem) => {
    const outlets = (): Outlet => ({ deliver: () => Promise.resolve([]) });
    let thrown = '';
    try {
      testPlugin(queueSrs, { options, config: files, outlets });
    } catch (error) {
      thrown = String(error);
    }
    expect(thrown).toContain(problem);
    // A key must not stand in a log.
    expect(thrown).not.toContain('short@');
  });
});

describe('srs', () => {
  const bounce = (options = '') => {
    const tested = testPlugin(srs, { options, config, clock: clock() });
    tested.begin({ from: '<>' });
    return tested;
  };
  const GOOD = rewrite(address('joe@example.org'), 'fwd.example', TERMS).mailbox;

  test('a bounce goes to the sender of old, and no recipient list has a say', async () => {
    const { ask, log } = bounce();
    expect(printVerdict(await ask('rcpt_pre', `<${GOOD}>`, new Map()))).toBe('OK <joe@example.org>');
    expect(printVerdict(await ask('rcpt', '<joe@example.org>'))).toBe('OK');
    expect(printVerdict(await ask('rcpt', '<jim@example.org>'))).toBe('DECLINED');
    expect(log.join('\n')).toContain('leads back to <joe@example.org>');
  });

  test('what was taken in one transaction is not taken in the next', async () => {
    const tested = bounce();
    await tested.ask('rcpt_pre', `<${GOOD}>`, new Map());
    expect(printVerdict(await tested.ask('rcpt', '<joe@example.org>'))).toBe('OK');
    tested.begin({ from: '<>' });
    expect(printVerdict(await tested.ask('rcpt', '<joe@example.org>'))).toBe('DECLINED');
  });

  test.each([
    ['an old domain of ours', GOOD.replace('fwd.example', 'OLD.example'), 'OK <joe@example.org>'],
    ['a foreign domain', GOOD.replace('fwd.example', 'elsewhere.example'), 'DECLINED'],
    ['without brackets', GOOD, 'OK <joe@example.org>'],
    ['a name that only begins so', 'srs0@fwd.example', 'DECLINED'],
    ['nothing of the kind', 'joe@fwd.example', 'DECLINED'],
    ['what is no path', '<<>>', 'DECLINED'],
  ])('a bounce to %s', async (what, path, answer) => {
    const { ask } = bounce();
    const enclosed = path.startsWith('<') || what === 'without brackets' ? path : `<${path}>`;
    expect(printVerdict(await ask('rcpt_pre', enclosed, new Map()))).toBe(answer);
  });

  test.each([
    ['SRS0=v1LX=JT=example.org=joe@fwd.example', 'DENY SRS address was not made here (#1.1)'],
    ['SRS0=nonsense@fwd.example', 'DENY Invalid SRS address (#1.1)'],
    [
      rewrite(address('joe@example.org'), 'fwd.example', { ...TERMS, nowMs: TODAY - 22 * DAY }).mailbox,
      'DENY SRS address has expired (#1.1)',
    ],
  ])('%s is refused: %s', async (path, answer) => {
    const { ask } = bounce();
    expect(printVerdict(await ask('rcpt_pre', `<${path}>`, new Map()))).toBe('DECLINED');
    expect(printVerdict(await ask('rcpt', `<${path}>`))).toBe(answer);
  });

  test('only bounces come back, unless the line says otherwise', async () => {
    for (const [options, pre, answer] of [
      ['', 'DECLINED', 'DENY Only bounces come back by this address (#7.1)'],
      ['senders any', 'OK <joe@example.org>', 'OK'],
    ] as const) {
      const tested = bounce(options);
      tested.begin({ from: '<x@there.example>' });
      expect(printVerdict(await tested.ask('rcpt_pre', `<${GOOD}>`, new Map()))).toBe(pre);
      const path = pre === 'DECLINED' ? `<${GOOD}>` : '<joe@example.org>';
      expect(printVerdict(await tested.ask('rcpt', path))).toBe(answer);
    }
  });

  test('life and hash of the line', async () => {
    const old = rewrite(address('joe@example.org'), 'fwd.example', {
      ...TERMS,
      nowMs: TODAY - 22 * DAY,
    }).mailbox;
    expect(printVerdict(await bounce('life 30').ask('rcpt_pre', `<${old}>`, new Map()))).toBe(
      'OK <joe@example.org>',
    );
    expect(printVerdict(await bounce('hash 6').ask('rcpt', `<${GOOD}>`))).toBe(
      'DENY SRS address was not made here (#1.1)',
    );
  });

  test('the rest of more than a thousand is put off', async () => {
    const { ask } = bounce();
    for (let count = 0; count < 1_001; count++) {
      const path = rewrite(address(`u${count}@example.org`), 'fwd.example', TERMS).mailbox;
      const answer = printVerdict(await ask('rcpt_pre', `<${path}>`, new Map()));
      expect(answer).toBe(count < 1_000 ? `OK <u${count}@example.org>` : 'DECLINED');
      if (count === 1_000)
        expect(printVerdict(await ask('rcpt', `<${path}>`))).toBe('DENYSOFT Too many recipients. (#5.3)');
    }
  });
});
