import { describe, expect, test } from 'vitest';
import type { Message } from '../../bindings/plugin/index.ts';
import { fakeResolver, printVerdict, testPlugin, type FakeDnsZones } from '../../host/testing/index.ts';
import plugin from '../../plugins/uribl/index.ts';
import { messageHosts } from '../../plugins/uribl/message-hosts.ts';
import { parseZoneLine } from '../../plugins/uribl/zones.ts';

const SPAM = 'Subject: hello\r\n\r\nBuy at http://www.spam.com/\r\n';
const LISTED: FakeDnsZones = { 'spam.com.bl.test': { A: ['127.0.0.2'], TXT: ['bad domain'] } };

interface Asked {
  readonly options?: string;
  readonly zones?: readonly string[];
  readonly leftOut?: readonly string[];
  readonly dns?: FakeDnsZones;
  readonly message?: string;
  readonly random?: number;
}

async function ask({
  options = '',
  zones = ['bl.test test=no'],
  leftOut,
  dns = LISTED,
  message = SPAM,
  random = 0.5,
}: Asked) {
  const resolver = fakeResolver(dns);
  const tested = testPlugin(plugin, {
    options,
    config: { uribl_zones: zones, ...(leftOut && { uribl_whitelist_domains: leftOut }) },
    resolver,
    random: () => random,
  });
  tested.begin({ from: 'a@example.net', to: ['b@example.org'], message });
  const asking = tested.ask('data_post');
  let isOver = false;
  void asking.finally(() => (isOver = true));
  // How many rounds of the event loop it takes until the lists are asked is for the machine.
  while (!isOver) await resolver.advance(1_000);
  const answer = printVerdict(await asking);
  const marks = tested.session.header.split('\r\n').filter((line) => line.startsWith('X-URIBL-Match'));
  return { answer, marks, log: tested.log.join('\n'), questions: resolver.questions };
}

const TEXT = 'spam.com in bl.test: bad domain';

describe('what becomes of a message', () => {
  test.each<[options: string, zone: string, answer: string, marks: readonly string[]]>([
    ['', 'bl.test', 'DECLINED', [`X-URIBL-Match: ${TEXT}`]],
    ['action add-header', 'bl.test', 'DECLINED', [`X-URIBL-Match: ${TEXT}`]],
    ['action deny', 'bl.test', `DENY ${TEXT}`, []],
    ['action denysoft', 'bl.test', `DENYSOFT ${TEXT}`, []],
    ['action log', 'bl.test', 'DECLINED', []],
    ['action deny', 'bl.test 2 log', 'DECLINED', []],
    ['', 'bl.test -1 DENY', `DENY ${TEXT}`, []],
    ['', 'bl.test 0 deny', `DENY ${TEXT}`, []],
    ['', 'bl.test 4,2 deny', `DENY ${TEXT}`, []],
    ['', 'bl.test 4,8 deny', 'DECLINED', []],
  ])('%s with %s', async (options, zone, answer, marks) => {
    const asked = await ask({ options, zones: [`${zone} test=no`] });
    expect(asked).toMatchObject({ answer, marks });
    expect(asked.log.includes(TEXT)).toBe(!zone.endsWith('4,8 deny'));
  });

  test('is asked of the domain and of what is below it, at all lists at once', async () => {
    const zones = ['bl.test test=no', 'other.test test=no'];
    const { questions } = await ask({ zones, dns: {} });
    expect([...questions].sort()).toEqual([
      'A spam.com.bl.test',
      'A spam.com.other.test',
      'A www.spam.com.bl.test',
      'A www.spam.com.other.test',
    ]);
  });

  test('a list without a text is quoted with its code, and one that says more with the first text in one line', async () => {
    const tell = async (entry: FakeDnsZones[string]) =>
      (await ask({ options: 'action deny', dns: { 'spam.com.bl.test': entry } })).answer;
    expect(await tell({ A: ['127.0.0.2'] })).toBe('DENY spam.com in bl.test: 127.0.0.2');
    expect(await tell({ A: ['127.0.0.2'], TXT: 'timeout' })).toBe('DENY spam.com in bl.test: 127.0.0.2');
    expect(await tell({ A: ['127.0.0.2'], TXT: ['a\r\n250 ok\0'] })).toBe(
      'DENY spam.com in bl.test: a 250 ok',
    );
    expect((await tell({ A: ['127.0.0.2'], TXT: ['x'.repeat(60_000)] })).length).toBeLessThan(300);
  });

  test('two lists, two names: each match has its field; the first list is on top', async () => {
    const { marks } = await ask({
      zones: ['one.test test=no', 'two.test test=no'],
      dns: {
        'spam.com.one.test': { A: ['127.0.0.2'] },
        'www.spam.com.one.test': { A: ['127.0.0.4'] },
        'spam.com.two.test': { A: ['127.0.0.8'] },
      },
    });
    expect([...marks].sort()).toEqual([
      'X-URIBL-Match: spam.com in one.test: 127.0.0.2',
      'X-URIBL-Match: spam.com in two.test: 127.0.0.8',
      'X-URIBL-Match: www.spam.com in one.test: 127.0.0.4',
    ]);
  });

  test('a refusal for good waits for nobody, and comes before one for now', async () => {
    const { answer } = await ask({
      zones: ['soft.test -1 denysoft test=no', 'silent.test test=no', 'hard.test -1 deny test=no'],
      dns: {
        'spam.com.soft.test': { A: ['127.0.0.2'] },
        'spam.com.silent.test': 'timeout',
        'spam.com.hard.test': { A: ['127.0.0.2'], delayMs: 100 },
      },
    });
    expect(answer).toBe('DENY spam.com in hard.test: 127.0.0.2');
  });

  test('addresses are asked about with their octets reversed, unless checkip is off', async () => {
    const message = 'Subject: x\r\n\r\nhttp://3221226219/ http://[2001:db8::1]/\r\n';
    const dns: FakeDnsZones = { '235.2.0.192.bl.test': { A: ['127.0.0.2'] } };
    const asked = await ask({ options: 'action deny', dns, message });
    expect(asked.answer).toBe('DENY 235.2.0.192 in bl.test: 127.0.0.2');
    expect((await ask({ options: 'action deny checkip no', dns, message })).questions).toEqual([]);
  });

  test('domains that are left out, whoever wrote them in which letters', async () => {
    const { answer, questions } = await ask({ options: 'action deny', leftOut: ['Spam.COM', 'bücher.com'] });
    expect(answer).toBe('DECLINED');
    expect(questions).toEqual([]);
  });

  test.each([['scan-headers'], ['check-headers']])('%s looks at the header, too', async (name) => {
    const message = 'Subject: =?utf-8?b?aHR0cDovL3NwYW0uY29tLw==?=\r\n\r\nnothing\r\n';
    expect((await ask({ message })).questions).toEqual([]);
    expect((await ask({ options: `${name} 0`, message })).questions).toEqual([]);
    expect((await ask({ options: `${name} 1`, message })).marks).toEqual([`X-URIBL-Match: ${TEXT}`]);
  });

  test('a message without names, a client that is to be spared, and no lists', async () => {
    expect((await ask({ message: 'Subject: x\r\n\r\nhello\r\n' })).log).toContain(
      'pass, No URIs found in mail',
    );
    expect((await ask({ zones: [] })).questions).toEqual([]);
    const resolver = fakeResolver(LISTED);
    const config = { uribl_zones: ['bl.test -1 deny test=no'] };
    const tested = testPlugin(plugin, { config, resolver, client: { relayClient: true } });
    tested.begin({ from: 'a@example.net', message: SPAM });
    expect(printVerdict(await tested.ask('data_post'))).toBe('DECLINED');
    expect(resolver.questions).toEqual([]);
  });

  test('no more names than max-names are asked about, and the log says so', async () => {
    const links = Array.from({ length: 50 }, (_, index) => `http://a${index}.com/\r\n`).join('');
    const { questions, log } = await ask({
      options: 'max-names 10',
      message: `Subject: x\r\n\r\n${links}`,
      dns: {},
    });
    expect(questions).toHaveLength(10);
    expect(log).toContain(
      '50 names in the message, of which 10 chosen by chance are asked about (max-names)',
    );
  });

  test('a message has no more fields, and the log no more lines, than somebody would read', async () => {
    const names = Array.from({ length: 50 }, (_, index) => `a${index}.com`);
    const { marks, log } = await ask({
      message: `Subject: x\r\n\r\n${names.map((name) => `http://${name}/\r\n`).join('')}`,
      dns: Object.fromEntries(names.map((name) => [`${name}.bl.test`, { A: ['127.0.0.2'] }])),
    });
    expect(marks).toHaveLength(20);
    expect(log.match(/ in bl\.test: /g)).toHaveLength(20);
    expect(log).toContain('30 more matches');
    expect(log).toContain('50 lookups finished (50 matches)');
  });

  test('no name hides behind others: with luck it is among those that are asked about', async () => {
    const links = Array.from({ length: 50 }, (_, index) => `http://a${index}.com/\r\n`).join('');
    const message = `Subject: x\r\n\r\n${links}http://spam.com/\r\n`;
    const { marks } = await ask({ options: 'max-names 10', message, random: 0.999_999 });
    expect(marks).toEqual([`X-URIBL-Match: ${TEXT}`]);
  });
});

describe('lists that fail', () => {
  test.each<[title: string, entry: FakeDnsZones[string]]>([
    ['is silent', 'timeout'],
    ['fails', 'SERVFAIL'],
    ['refuses', 'REFUSED'],
    ['lists everything', { A: ['203.0.113.7'] }],
    ['says that it does not answer', { A: ['127.255.255.254'] }],
    ['answers 127.0.0.1', { A: ['127.0.0.1'] }],
  ])('one that %s refuses nobody', async (_, entry) => {
    const { answer, marks } = await ask({
      options: 'action deny',
      dns: { 'spam.com.bl.test': entry, 'www.spam.com.bl.test': entry },
    });
    expect(answer).toBe('DECLINED');
    expect(marks).toEqual([]);
  });

  test('the time-out of the line is kept', async () => {
    const resolver = fakeResolver({ 'spam.com.bl.test': { A: ['127.0.0.2'], delayMs: 5_000 } });
    const tested = testPlugin(plugin, {
      options: 'action deny timeout 4',
      config: { uribl_zones: ['bl.test test=no'] },
      resolver,
    });
    tested.begin({ from: 'a@example.net', to: ['b@example.org'], message: SPAM });
    const asking = tested.ask('data_post');
    await resolver.whenAsked('A www.spam.com.bl.test');
    await resolver.advance(4_000);
    expect(printVerdict(await asking)).toBe('DECLINED');
    expect(tested.log.join('\n')).toContain('2 lookups finished (0 matches, 1 failed)');
  });

  test('one that does not pass its test is not believed, and the log says so', async () => {
    const dns: FakeDnsZones = {
      ...LISTED,
      'test.bl.test': { A: ['127.0.0.2'] },
      'invalid.bl.test': { A: ['127.0.0.2'] },
    };
    const asked = await ask({ options: 'action deny', zones: ['bl.test'], dns });
    expect(asked.answer).toBe('DECLINED');
    expect(asked.log).toContain('it lists INVALID, so it may list everything');
    const sound: FakeDnsZones = { ...LISTED, 'test.bl.test': { A: ['127.0.0.2'] } };
    expect((await ask({ options: 'action deny', zones: ['bl.test'], dns: sound })).answer).toBe(
      `DENY ${TEXT}`,
    );
  });

  test('the key of a list stands in no reply, no field and no log', async () => {
    const dns: FakeDnsZones = {
      'spam.com.s3cret.bl.test': { A: ['127.0.0.2'], TXT: ['see s3cret.bl.test'] },
    };
    const { marks, log } = await ask({ zones: ['bl.test 2 add-header key=s3cret test=no'], dns });
    expect(marks).toEqual(['X-URIBL-Match: spam.com in bl.test: see [key].bl.test']);
    expect(log).not.toContain('s3cret');
  });
});

describe('lines of uribl_zones', () => {
  test('are those of qpsmtpd', () => {
    const parse = (line: string) => {
      const { zone, options, action, filter } = parseZoneLine(line);
      const bits = [1, 2, 4, 8, 255].filter((bit) => filter(`127.0.0.${bit}`));
      return { zone, options, action, bits };
    };
    const plain = { zone: 'ob.surbl.org', options: {}, action: undefined, bits: [1, 2, 4, 8, 255] };
    expect(parse('ob.surbl.org')).toEqual(plain);
    expect(parse('ob.surbl.org 0')).toEqual(plain);
    expect(parse('ob.surbl.org 4,-1')).toEqual(plain);
    expect(parse('ob.surbl.org    2,8    deny')).toEqual({ ...plain, bits: [2, 8, 255], action: 'deny' });
    expect(parse('ob.surbl.org 1 add-header')).toEqual({ ...plain, bits: [1, 255], action: 'add-header' });
    expect(parse('ob.surbl.org key=abc test=no')).toEqual({ ...plain, options: { key: 'abc', test: 'no' } });
  });

  test.each([
    ['bl.test two', '`two` is no mask'],
    ['bl.test 2 refuse', '`refuse` is no action'],
    ['bl.test 2 deny more', '`more` is too much'],
    ['bl.test:2', 'is no zone'],
    ['b@l.test', '`b@l.test` is no zone'],
    ['bl.test test=no 2', '`2` stands after the options of bl.test'],
    ['bl.test 2 deny tset=no', 'did you mean `test`?'],
  ])('%s: %s', (line, problem) => {
    expect(() => parseZoneLine(line)).toThrow(problem);
    expect(() => testPlugin(plugin, { config: { uribl_zones: [line] } })).toThrow(problem);
  });

  test.each([
    'key=topsecret bl.test',
    'bl.test key = topsecret',
    'bl.test key= topsecret',
    'bl.test 2 key topsecret',
    'bl.test 2 deny topsecret key=',
    'bl.test topsecret key=x test=no',
    'bl.test key:topsecret',
    'bl.test test=no key-file topsecret',
  ])('no error shows a key: %s', (line) => {
    let message = '';
    try {
      testPlugin(plugin, { config: { uribl_zones: [line] } });
    } catch (cause) {
      message = String(cause);
    }
    expect(message).toContain('uribl_zones:1');
    expect(message).not.toContain('topsecret');
  });

  test('a domain that is none stops the start', () => {
    const config = { uribl_zones: ['bl.test'], uribl_whitelist_domains: ['a b'] };
    expect(() => testPlugin(plugin, { config })).toThrow('`a b` is no domain');
  });
});

describe('hostile bodies', () => {
  const BLOCK = 65_536;

  /** A message that exists only block by block. */
  function messageOf(fields: Readonly<Record<string, string>>, blocks: () => Iterable<Buffer>): Message {
    const header = {
      get: (name: string) => fields[name],
      names: () => Object.keys(fields),
      all: (wanted: string) =>
        Object.entries(fields).flatMap(([name, value]) => (name.toLowerCase() === wanted ? [value] : [])),
    };
    return { header, body: blocks } as unknown as Message;
  }

  function* repeated(text: string, octets: number): Iterable<Buffer> {
    yield Buffer.from('\n');
    const block = Buffer.from(text.repeat(Math.ceil(BLOCK / text.length)));
    for (let at = 0; at < octets; at += block.length) yield block;
  }

  /** What is found, and how often others had their turn meanwhile. */
  async function look(message: Message) {
    let turns = 0;
    let isOver = false;
    const tick = (): void => {
      turns++;
      if (!isOver) setImmediate(tick);
    };
    setImmediate(tick);
    const found = await messageHosts(message, {
      maxNames: 100,
      wantsAddresses: true,
      scansHeader: false,
      isLeftOut: () => false,
      random: () => 0.5,
    });
    isOver = true;
    return { ...found, turns };
  }

  test('100 MB of text: as much is read as there is a bound for, and others have their turns', async () => {
    const text = 'a line of text, and another one http://spam.com/\n';
    const { names, exceeded, turns } = await look(messageOf({}, () => repeated(text, 100_000_000)));
    expect(names).toEqual(['spam.com']);
    expect(exceeded).toEqual(['10485760 octets of text']);
    expect(turns).toBeGreaterThan(5);
  });

  test('100 MB of a picture: passed over, up to the text after it', async () => {
    const line = `${'iVBORw0KGgo'.repeat(7)}\n`.slice(-77);
    function* blocks(): Iterable<Buffer> {
      yield Buffer.from('\n--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n');
      yield* repeated(line, 100_000_000);
      yield Buffer.from('--b\n\nhttp://spam.com/\n--b--\n');
    }
    const type = { 'Content-Type': 'multipart/mixed; boundary=b' };
    expect(await look(messageOf(type, blocks))).toMatchObject({ names: ['spam.com'], exceeded: [] });
  });

  test('1,000,000 URLs', async () => {
    function* blocks(): Iterable<Buffer> {
      yield Buffer.from('\n');
      for (let at = 0; at < 1_000_000; at += 2_000)
        yield Buffer.from(
          Array.from({ length: 2_000 }, (_, index) => `http://x${at + index}.com/\n`).join(''),
        );
    }
    const { names, exceeded } = await look(messageOf({}, blocks));
    expect(names).toHaveLength(100);
    expect(exceeded).toEqual(['20000 spellings of host names']);
  });

  test('1,000,000 names of one domain', async () => {
    function* blocks(): Iterable<Buffer> {
      yield Buffer.from('\n');
      for (let at = 0; at < 1_000_000; at += 2_000)
        yield Buffer.from(
          Array.from({ length: 2_000 }, (_, index) => `http://x${at + index}.a.com/\n`).join(''),
        );
    }
    const { names, exceeded, turns } = await look(messageOf({}, blocks));
    expect(names).toHaveLength(100);
    expect(exceeded).toEqual(['20000 spellings of host names']);
    expect(turns).toBeGreaterThan(5);
  });

  test('100 MB of base64, of quoted-printable, and of entities without end', async () => {
    for (const [type, encoding, text] of [
      ['text/plain', 'base64', 'aHR0cDovL3NwYW0uY29tLyAg\n'],
      ['text/plain', 'quoted-printable', '=68ttp://spam=2Ecom/ =\n'],
      ['text/html', '8bit', '&#104;ttp://spam&#46;com/ &amp;\n'],
    ] as const) {
      const fields = { 'Content-Type': type, 'Content-Transfer-Encoding': encoding };
      const { names, exceeded } = await look(messageOf(fields, () => repeated(text, 100_000_000)));
      expect(names).toEqual(['spam.com']);
      expect(exceeded).toEqual(['10485760 octets of text']);
    }
  });

  test('a header of one field without end, and of encoded words', async () => {
    const word = '=?utf-8?q?http=3A//spam=2Ecom/?= ';
    for (const value of [word.repeat(8_000), `${'x'.repeat(250_000)} ${word}`]) {
      const message = messageOf({ Subject: value }, () => [Buffer.from('\n')]);
      const found = await messageHosts(message, {
        maxNames: 100,
        wantsAddresses: true,
        scansHeader: true,
        isLeftOut: () => false,
        random: () => 0.5,
      });
      expect(found).toEqual({ names: ['spam.com'], found: 1, exceeded: [] });
    }
  });

  test('a million lines that begin as boundaries do', async () => {
    const fields = { 'Content-Type': 'multipart/mixed; boundary=b' };
    function* blocks(): Iterable<Buffer> {
      yield* repeated('--a\n', 4_000_000);
      yield Buffer.from('http://spam.com/\n');
    }
    const { names, exceeded } = await look(messageOf(fields, blocks));
    expect(names).toEqual(['spam.com']);
    expect(exceeded).toEqual(['100000 lines that begin as boundaries do']);
  });
});
