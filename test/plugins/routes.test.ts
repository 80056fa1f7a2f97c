import { describe, expect, test, vi } from 'vitest';
import { RouteTable } from '../../bindings/lists/index.ts';
import {
  defineOutlet,
  z,
  type Address,
  type DeliveryReport,
  type MailObject,
  type PluginDefinition,
  type Recipient,
} from '../../bindings/plugin/index.ts';
import { address, NO_PARAMETERS, printVerdict, storedMessage, testPlugin } from '../../host/testing/index.ts';
import routes from '../../plugins/queue/routes.ts';

const KINDS = { 2: 'delivered', 4: 'deferred', 5: 'refused' } as const;

/** Routes over outlets that answer with the code of their words and keep a record of what they were given. */
async function routing(lines: readonly string[], { line = '', tracked = false } = {}) {
  const given: string[] = [];
  let opened = 0;
  const outlet = defineOutlet({
    name: 'queue/hop',
    about: '',
    options: z.object({
      name: z.string(),
      code: z
        .string()
        .regex(/^\d{3}$/, 'must be a code')
        .default('250'),
    }),
    positional: ['name', 'code'],
    outlet({ options: { name, code } }) {
      opened++;
      const deliver = ({ recipients }: MailObject): Promise<DeliveryReport> => {
        given.push(`${name}: ${recipients.map((recipient) => recipient.address.mailbox).join(' ')}`);
        const reply = { code: Number(code), status: undefined, lines: [name] };
        const kind = KINDS[Number(code[0]) as keyof typeof KINDS];
        return Promise.resolve(recipients.map(() => ({ kind, reply, hop: name })));
      };
      return { deliver };
    },
  });
  const tested = testPlugin(routes, {
    options: line,
    config: { routes: lines },
    definitions: [outlet as unknown as PluginDefinition],
  });
  await tested.ready;
  const { ask, config, log, session } = tested;
  session.transaction.content = storedMessage('Subject: x\r\n\r\n');
  const to = (...paths: string[]): void => {
    session.transaction.recipients.splice(0, Infinity);
    for (const path of paths) session.transaction.addRecipient(address(path));
  };
  return {
    given,
    log,
    rewrite: (...changed: string[]) => config.write('routes', changed),
    opened: () => opened,
    /** The verdict about a message to `paths`. */
    async send(...paths: string[]): Promise<string> {
      to(...paths);
      return printVerdict(await ask('queue'));
    },
    async data(...paths: string[]): Promise<string> {
      to(...paths);
      return printVerdict(await ask('data'));
    },
    async rcpt(path: string, ...before: string[]): Promise<string> {
      to(...before);
      const verdict = await ask('rcpt', path);
      return `${verdict.replyCode ?? ''} ${printVerdict(verdict)}`.trim();
    },
    /** The verdict about one more recipient of a transaction that has `recipients`. */
    async further(path: string, recipients: readonly Recipient[]): Promise<string> {
      session.transaction.recipients.splice(0, Infinity, ...recipients);
      return printVerdict(await ask('rcpt', path));
    },
    async outcomes(...paths: string[]): Promise<string[]> {
      to(...paths);
      const { transaction } = session;
      const mail = {
        id: 's1',
        reversePath: transaction.reversePath,
        recipients: transaction.recipients,
        isTrackedByRecipient: tracked,
      } as unknown as MailObject;
      const report = await tested.outlet.deliver(mail);
      return report.map(({ kind, hop }) => `${kind} ${hop ?? ''}`.trim());
    },
  };
}

describe('the most specific route wins', () => {
  const LINES = [
    '* hop all',
    'example.org hop exact',
    '.example.org hop below',
    '.deep.example.org\thop   deeper',
    'boss@Example.ORG hop boss',
    'postmaster hop post',
    '[192.0.2.1] hop literal',
  ];
  test.each([
    ['<a@example.org>', 'exact'],
    ['<a@EXAMPLE.org>', 'exact'],
    ['<a@mx.example.org>', 'below'],
    ['<a@deep.example.org>', 'below'],
    ['<a@x.y.deep.example.org>', 'deeper'],
    ['<a@badexample.org>', 'all'],
    ['<Boss@example.org>', 'boss'],
    ['<boss@mx.example.org>', 'below'],
    ['<a@[192.0.2.1]>', 'literal'],
    ['<postmaster>', 'post'],
    ['<other>', 'all'],
  ])('%s goes to %s', async (path, outlet) => {
    const { send, given } = await routing(LINES);
    expect(await send(path)).toBe(`OK ${outlet}`);
    expect(given).toEqual([`${outlet}: ${path.slice(1, -1)}`]);
  });

  test('of a name with many labels the search ends', async () => {
    const { send } = await routing(['.x hop x', '* hop all']);
    expect(await send(`<a@${'a.'.repeat(127)}x>`)).toBe('OK x');
    // More than 255 octets are no name, and are not looked for.
    expect(await send(`<a@${'a.'.repeat(100_000)}x>`)).toBe('OK all');
  });
});

test.each([
  [[], 'routes: there is no route (add a line such as `* OUTLET`)'],
  [['example.org'], 'routes:1: example.org has no outlet'],
  [
    ['a.example hop a', 'a b.example hop b', 'A.example hop c'],
    'routes:3: A.example has a route in line 1 already',
  ],
  [['a.*.example hop a'], 'routes:1: `a.*.example` is no pattern of recipients'],
  [['@example.org hop a'], 'routes:1: `@example.org` is no pattern'],
  [['* hop a', 'x.example hop a 9'], 'routes:2: queue/hop: code: must be a code'],
  [['* hob a'], 'routes:1: Plugin queue/hob not found'],
  [['* rcpt_ok'], 'routes:1: Plugin queue/rcpt_ok not found'],
])('%j stops the start: %s', async (lines, problem) => {
  await expect(routing(lines)).rejects.toThrow(problem);
});

describe('several outlets', () => {
  const LINES = ['a.example hop a', 'b.example hop b', 'c.example hop c'];

  test('each gets its recipients, in the order of the routes; routes with the same words are one outlet', async () => {
    const { send, given, opened } = await routing([...LINES, 'also-a.example hop a']);
    expect(opened()).toBe(3);
    expect(await send('<1@c.example>', '<2@a.example>', '<3@also-a.example>', '<4@c.example>')).toBe('OK c');
    expect(given).toEqual(['a: 2@a.example 3@also-a.example', 'c: 1@c.example 4@c.example']);
  });

  test.each([
    ['451', 'DENYSOFT b'],
    ['550', 'DENY b'],
  ])('the first that answers %s ends it before the next delivers', async (code, verdict) => {
    const { send, given, log } = await routing([`b.example hop b ${code}`, 'a.example hop a']);
    expect(await send('<1@a.example>', '<2@b.example>')).toBe(verdict);
    expect(given).toEqual(['b: 2@b.example']);
    expect(log.some((text) => text.includes('again'))).toBe(false);
  });

  test('if one has delivered already, the client hears of the others, and the log says who gets it twice', async () => {
    const { send, given, log } = await routing(['a.example hop a', 'b.example hop b 451', 'c.example hop c']);
    expect(await send('<1@a.example>', '<2@b.example>', '<3@c.example>')).toBe('DENYSOFT b');
    expect(given).toEqual(['a: 1@a.example', 'b: 2@b.example']);
    expect(log).toContain(
      'queue/routes: c1.1: 1 of 3 recipients have the message: they get it again when the client comes back for the others',
    );
  });

  test('with an outlet for leftovers everybody is provided for, and the client sees OK', async () => {
    const lines = ['a.example hop a', 'b.example hop b 550', 'c.example hop c'];
    const { send, given, log } = await routing(lines, { line: 'leftovers hop rest' });
    expect(await send('<1@a.example>', '<2@b.example>', '<3@c.example>')).toMatch(/^OK /);
    expect(given).toEqual(['a: 1@a.example', 'b: 2@b.example', 'rest: 2@b.example 3@c.example']);
    expect(log.some((text) => text.includes('again'))).toBe(false);
    expect(await send('<2@b.example>')).toBe('DENY b');
    expect(given).toHaveLength(4);
  });

  test('leftovers that fail too are told', async () => {
    const lines = ['a.example hop a', 'b.example hop b 550'];
    const { send, log } = await routing(lines, { line: 'leftovers hop rest 452' });
    expect(await send('<1@a.example>', '<2@b.example>')).toBe('DENYSOFT rest');
    expect(log.some((text) => text.includes('get it again'))).toBe(true);
  });

  test('where recipients are kept track of, all are tried and each has its own outcome', async () => {
    const lines = ['a.example hop a 451', 'b.example hop b 550', 'c.example hop c'];
    const { outcomes } = await routing(lines, { tracked: true });
    expect(await outcomes('<1@c.example>', '<2@b.example>', '<3@a.example>', '<4@d.example>')).toEqual([
      'delivered c',
      'refused b',
      'deferred a',
      'refused',
    ]);
  });
});

describe('recipients without a route', () => {
  test('are refused at RCPT if the line stands first, else at DATA, and never reach an outlet', async () => {
    const { rcpt, data, send, given } = await routing(['a.example hop a']);
    expect(await rcpt('<x@b.example>')).toBe('DENY Bad destination system address. (#1.2)');
    expect(await rcpt('<x@a.example>')).toBe('DECLINED');
    expect(await data('<x@a.example>')).toBe('DECLINED');
    expect(await data('<x@a.example>', '<x@b.example>')).toBe('DENY Bad destination system address. (#1.2)');
    expect(await send('<x@a.example>', '<x@b.example>')).toBe('DENY Bad destination system address. (#1.2)');
    expect(given).toEqual([]);
  });
});

test('`mixture separate` has the client send to one outlet at a time', async () => {
  const { rcpt } = await routing(['a.example hop a', 'b.example hop b', 'c.example hop a'], {
    line: 'mixture separate',
  });
  expect(await rcpt('<x@a.example>')).toBe('DECLINED');
  expect(await rcpt('<x@c.example>', '<y@a.example>')).toBe('DECLINED');
  expect(await rcpt('<x@b.example>', '<y@a.example>')).toBe('452 DENYSOFT One destination at a time. (#5.3)');
});

test('`mixture separate` looks each recipient up once, also when some were taken back or routes change', async () => {
  const lines = ['a.example hop a', 'b.example hop b'];
  const { further, rewrite } = await routing(lines, { line: 'mixture separate' });
  const find = vi.spyOn(RouteTable.prototype, 'find');
  const recipient = (path: string): Recipient => ({ address: address(path), parameters: NO_PARAMETERS });
  const recipients: Recipient[] = [];
  for (let index = 0; index < 200; index++) {
    expect(await further(`<${index}@a.example>`, recipients)).toBe('DECLINED');
    recipients.push(recipient(`<${index}@a.example>`));
  }
  // For each verdict the new recipient, and the one before it for the first time.
  expect(find.mock.calls.length).toBeLessThanOrEqual(2 * 200);
  find.mockRestore();
  expect(await further('<x@b.example>', recipients)).toMatch(/One destination at a time/);
  recipients.splice(0, recipients.length, recipient('<x@b.example>'));
  expect(await further('<y@b.example>', recipients)).toBe('DECLINED');
  expect(await further('<y@a.example>', recipients)).toMatch(/One destination at a time/);
  rewrite('a.example hop b', 'b.example hop b');
  expect(await further('<y@a.example>', recipients)).toBe('DECLINED');
});

test('a changed file counts from the next message on; a wrong one is logged once and changes nothing', async () => {
  const { send, rewrite, log, opened, given } = await routing(['* hop a', 'x.example hop x']);
  expect(await send('<1@b.example>')).toBe('OK a');
  rewrite('b.example hop b', '* hop a');
  expect(await send('<1@b.example>')).toBe('OK b');
  expect(await send('<1@c.example>')).toBe('OK a');
  expect(opened(), 'the outlet that stays is kept with its connections').toBe(3);
  for (const wrong of [['b.example hop'], ['b.example hob b'], []]) {
    rewrite(...wrong);
    const before = log.length;
    expect(await send('<1@b.example>')).toBe('OK b');
    expect(await send('<1@b.example>')).toBe('OK b');
    expect(log.slice(before).filter((text) => text.includes('the last good routes stay'))).toHaveLength(1);
  }
  expect(log.join('\n')).toContain('routes:1: ');
  expect(given.length).toBe(9);
});

test('an address is an argument, not a pattern', async () => {
  const { send } = await routing(['* hop all', 'x.example hop x']);
  const odd: Address[] = [address('<*>'), address('<a@*>'), address('<a@.x.example>')];
  for (const { mailbox } of odd) expect(await send(`<${mailbox}>`)).toBe('OK all');
});
