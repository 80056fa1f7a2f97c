/** What a next hop is told about the client: PROXY, XCLIENT, XFORWARD. */

import { afterEach, describe, expect, test } from 'vitest';
import type { SendingClient } from '../../bindings/plugin/delivery.ts';
import type { IntroductionOptions } from '../../plugins/queue/smtp/hop-options.ts';
import {
  attributeLine,
  attributeLines,
  xclientAttributes,
  xforwardAttributes,
  ClientIntroduction,
  proxyHeader,
} from '../../plugins/queue/smtp/client-introduction.ts';
import { keptLog, outletTo, mailTo } from './mail-object.ts';
import { ScriptedHop, type Script } from './scripted-hop.ts';

const CLIENT: SendingClient = {
  ip: '192.0.2.7',
  port: 4711,
  host: 'client.example',
  helloHost: 'helo.example',
  protocol: 'ESMTP',
  user: undefined,
  localIp: '198.51.100.1',
  localPort: 25,
};
const ALL = 'NAME ADDR PORT PROTO HELO IDENT SOURCE';

let hops: ScriptedHop[] = [];
afterEach(async () => {
  await Promise.all(hops.map((hop) => hop.close()));
  hops = [];
});

async function start(script: Script): Promise<ScriptedHop> {
  const hop = await ScriptedHop.start(script);
  hops.push(hop);
  return hop;
}

function introducing(hop: ScriptedHop, terms: IntroductionOptions) {
  const log = keptLog();
  return { outlet: outletTo([hop], { introduction: new ClientIntroduction(terms, log) }), log };
}

describe('the header of the PROXY protocol', () => {
  const signature = '0d0a0d0a000d0a515549540a';

  test('holds both ends over IPv4', () => {
    expect(proxyHeader(CLIENT).toString('hex')).toBe(`${signature}2111000cc0000207c633640112670019`);
  });

  test('holds both ends over IPv6, the other in IPv6 clothes', () => {
    const header = proxyHeader({ ...CLIENT, ip: '2001:db8::1' }).toString('hex');
    expect(header).toBe(
      `${signature}21210024${'20010db8000000000000000000000001'}${'00000000000000000000ffffc6336401'}12670019`,
    );
  });

  test('counts an IPv4 address in IPv6 clothes as IPv4', () => {
    const mapped = { ...CLIENT, ip: '::ffff:192.0.2.7', localIp: '::ffff:198.51.100.1' };
    expect(proxyHeader(mapped)).toEqual(proxyHeader(CLIENT));
  });

  test('leaves out the interface of a link-local address', () => {
    expect(proxyHeader({ ...CLIENT, ip: 'fe80::1%eth0' })).toEqual(proxyHeader({ ...CLIENT, ip: 'fe80::1' }));
  });

  test('is LOCAL for messages of our own and for clients without an address', () => {
    expect(proxyHeader(undefined).toString('hex')).toBe(`${signature}20000000`);
    expect(proxyHeader({ ...CLIENT, ip: '' })).toEqual(proxyHeader(undefined));
  });
});

describe('attributes', () => {
  test('are xtext, and say what is not known', () => {
    const client = { ...CLIENT, host: undefined, helloHost: 'a+b=c d\r\nMAIL', ip: '2001:DB8::1' };
    expect(attributeLine('XCLIENT', xclientAttributes(client), ALL)).toBe(
      'XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 PORT=4711 HELO=a+2Bb+3Dc+20d+0D+0AMAIL PROTO=ESMTP',
    );
  });

  test.each([
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['fe80::1%eth0', 'IPV6:fe80::1%eth0'],
    ['', '[UNAVAILABLE]'],
  ])('the address %j is %s', (ip, text) => {
    expect(new Map(xclientAttributes({ ...CLIENT, ip })).get('ADDR')).toBe(text);
  });

  test('are only those the hop knows', () => {
    const attributes = xforwardAttributes({ client: CLIENT, id: 'x1' });
    expect(attributeLines('XFORWARD', attributes, 'name ADDR')).toEqual([
      'XFORWARD NAME=client.example ADDR=192.0.2.7',
    ]);
    expect(attributeLines('XFORWARD', attributes, '')).toEqual([]);
  });

  test('never make a line too long', () => {
    const long = { ...CLIENT, host: 'h'.repeat(255), helloHost: 'e'.repeat(255) };
    const lines = attributeLines('XFORWARD', xforwardAttributes({ client: long, id: 'x1' }), ALL);
    expect(lines.length).toBeGreaterThan(1);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(510);
    const line = attributeLine('XCLIENT', xclientAttributes({ ...long, helloHost: 'e'.repeat(254) }), ALL);
    expect(line.length).toBeLessThanOrEqual(510);
    expect(line).toContain('ADDR=192.0.2.7');
    expect(line).toContain('NAME=[UNAVAILABLE]');
  });

  test('of our own messages are unknown and local', () => {
    expect(attributeLines('XFORWARD', xforwardAttributes({ client: undefined, id: 'x1' }), ALL)).toEqual([
      'XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] PORT=[UNAVAILABLE] PROTO=[UNAVAILABLE] HELO=[UNAVAILABLE] IDENT=x1 SOURCE=LOCAL',
    ]);
  });
});

describe('XCLIENT', () => {
  const offers = ['XCLIENT NAME ADDR PORT HELO PROTO'];

  test('goes out once, behind EHLO, which is said again', async () => {
    const hop = await start({ offers, says: { XCLIENT: '220 hop.test again' } });
    const { outlet } = introducing(hop, { xclient: true });
    for (const id of ['p1', 'p2']) {
      const [outcome] = await outlet.deliver(mailTo(['a@x.test'], { client: CLIENT, id }));
      expect(outcome?.kind).toBe('delivered');
    }
    expect(hop.lines.slice(0, 3)).toEqual([
      'EHLO mx.test',
      'XCLIENT NAME=client.example ADDR=192.0.2.7 PORT=4711 HELO=helo.example PROTO=ESMTP',
      'EHLO mx.test',
    ]);
    expect(hop.lines.filter((line) => line.startsWith('XCLIENT'))).toHaveLength(1);
    outlet.close();
  });

  test('a connection serves no other client', async () => {
    const hop = await start({ offers, says: { XCLIENT: '220 hop.test again' } });
    const { outlet } = introducing(hop, { xclient: true });
    await outlet.deliver(mailTo(['a@x.test'], { client: CLIENT }));
    await outlet.deliver(mailTo(['a@x.test'], { client: { ...CLIENT, ip: '192.0.2.8' } }));
    await outlet.deliver(mailTo(['a@x.test'], { client: undefined }));
    expect(hop.talks).toHaveLength(3);
    expect(hop.talks[1]!.received.lines.join()).toContain('ADDR=192.0.2.8');
    expect(hop.talks[2]!.received.lines.join()).not.toContain('XCLIENT');
    outlet.close();
  });

  test.each<[string, Script, string]>([
    ['not offered', {}, 'Server does not advertise XCLIENT support'],
    ['offered without ADDR', { offers: ['XCLIENT NAME'] }, 'Server does not advertise XCLIENT support'],
    ['refused', { offers, says: { XCLIENT: '550 no' } }, 'XCLIENT failed'],
  ])('%s: the mail object is deferred and nothing of it is said', async (_, script, words) => {
    const hop = await start(script);
    const { outlet } = introducing(hop, { xclient: true });
    const [outcome] = await outlet.deliver(mailTo(['a@x.test'], { client: CLIENT }));
    expect(outcome).toMatchObject({ kind: 'deferred', reply: { code: 451 } });
    expect(outcome!.reply.lines).toEqual([words]);
    expect(hop.lines.some((line) => line.startsWith('MAIL'))).toBe(false);
    outlet.close();
  });

  test('EHLO refused behind it', async () => {
    let hellos = 0;
    const no = () => (++hellos > 1 ? '421 no more' : '');
    const hop = await start({ offers, says: { XCLIENT: '220 again', EHLO: no } });
    const { outlet } = introducing(hop, { xclient: true });
    const [outcome] = await outlet.deliver(mailTo(['a@x.test'], { client: CLIENT }));
    expect(outcome!.reply.lines).toEqual(['HELLO after XCLIENT failed']);
    outlet.close();
  });
});

describe('XFORWARD', () => {
  test('goes out in front of each message over one connection', async () => {
    const hop = await start({ offers: [`XFORWARD ${ALL}`] });
    const { outlet } = introducing(hop, { xforward: true });
    await outlet.deliver(mailTo(['a@x.test'], { client: CLIENT, id: 'c1' }));
    await outlet.deliver(mailTo(['a@x.test'], { client: { ...CLIENT, ip: '192.0.2.8' }, id: 'c2' }));
    expect(hop.talks).toHaveLength(1);
    expect(hop.lines.filter((line) => line.startsWith('XFORWARD'))).toEqual([
      'XFORWARD NAME=client.example ADDR=192.0.2.7 PORT=4711 PROTO=ESMTP HELO=helo.example IDENT=c1 SOURCE=REMOTE',
      'XFORWARD NAME=client.example ADDR=192.0.2.8 PORT=4711 PROTO=ESMTP HELO=helo.example IDENT=c2 SOURCE=REMOTE',
    ]);
    outlet.close();
  });

  test.each<[string, Script]>([
    ['not offered', {}],
    ['refused', { offers: ['XFORWARD ADDR'], says: { XFORWARD: '550 5.7.1 not you' } }],
  ])('%s: the message goes out all the same, and the log says so', async (_, script) => {
    const hop = await start(script);
    const { outlet, log } = introducing(hop, { xforward: true });
    const [outcome] = await outlet.deliver(mailTo(['a@x.test'], { client: CLIENT }));
    expect(outcome?.kind).toBe('delivered');
    expect(log.lines.join()).toContain('XFORWARD');
    outlet.close();
  });
});

describe('PROXY', () => {
  test('a hop that does not expect it defers the mail object', async () => {
    const hop = await start({ says: { '': '500 what?', '\0': '500 what?' } });
    const { outlet } = introducing(hop, { proxy: true });
    const [outcome] = await outlet.deliver(mailTo(['a@x.test'], { client: CLIENT }));
    expect(outcome?.kind).toBe('deferred');
    expect(hop.contents).toEqual(['']);
    outlet.close();
  });
});
