/** XCLIENT beyond what a dialogue shows: what plugins see, whose word is taken, and what is left of the old client. */

import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { connectionNote, definePlugin, deny, done, ok } from '../../bindings/plugin/index.ts';
import { AddressRanges } from '../../host/config/address-ranges.ts';
import { isTrusted } from '../../host/session/extensions.ts';
import { readClient } from '../../host/session/xclient.ts';
import { decodeXtext } from '../../bindings/wire/xtext.ts';
import { TestServer, type TestServerOptions } from '../../host/testing/index.ts';

const servers: TestServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

async function start(options: TestServerOptions): Promise<TestServer> {
  const config = { rcpthosts: 'example.test', xclient_hosts: '127.0.0.1', ...options.config };
  const server = await TestServer.start({ ...options, config });
  servers.push(server);
  return server;
}

/** Writes down what the plugins see of the client. */
function witness(seen: string[]) {
  const mark = connectionNote<boolean>('mark');
  return definePlugin({
    name: 'witness',
    about: 'Writes down what it sees.',
    hooks: {
      connect({ connection, adjustKarma }) {
        const { remoteIp, remotePort, remoteHost, localIp, localPort, helloHost, auth, relayClient } =
          connection;
        const isNew = connection.notes.get(mark) === undefined && connection.karma === 0;
        connection.notes.set(mark, true);
        adjustKarma(1);
        const ends = `${remoteHost} ${remoteIp}:${remotePort} -> ${localIp}:${localPort}`;
        const login = auth === undefined ? 'nobody' : `${auth.user} by ${auth.mechanism}`;
        seen.push(`connect ${ends} ${helloHost} ${login} relay=${relayClient} new=${isNew}`);
      },
      disconnect: ({ connection }) => void seen.push(`disconnect ${connection.remoteIp}`),
      'post-connection': ({ connection }) => void seen.push(`post-connection ${connection.remoteIp}`),
      rcpt: ({ connection }) => (connection.relayClient ? ok() : undefined),
    },
  });
}

describe('XCLIENT', () => {
  test('is offered to trusted proxies alone, by the address of the socket', async () => {
    const server = await start({});
    const proxy = server.connect();
    await proxy.reply();
    const offer = 'XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT';
    expect(await proxy.say('EHLO proxy.example')).toContain(offer);
    expect(await proxy.say('XCLIENT ADDR=192.0.2.1')).toMatch(/^220 /);
    expect(await proxy.say('EHLO client.example')).toContain(offer);
    const client = server.connect({ address: '192.0.2.1' });
    await client.reply();
    expect(await client.say('EHLO client.example')).not.toContain('XCLIENT');
    // The address of the proxy does not help either, once somebody claims it.
    expect(await client.say('XCLIENT ADDR=127.0.0.1')).toMatch(/^550 /);
  });

  test('is off with extensions_off', async () => {
    const client = (await start({ config: { extensions_off: 'XCLIENT' } })).connect();
    await client.reply();
    expect(await client.say('EHLO proxy.example')).not.toContain('XCLIENT');
    expect(await client.say('XCLIENT ADDR=192.0.2.1')).toMatch(/^550 /);
  });

  test('ends one connection and begins another, with nothing left of the first', async () => {
    const seen: string[] = [];
    const client = await (await start({ plugins: [witness(seen)] })).greeted();
    const attributes =
      'NAME=a.example ADDR=192.0.2.1 PORT=99 HELO=a+20b DESTADDR=IPV6:2001:DB8::1 DESTPORT=587';
    expect(await client.say(`XCLIENT ${attributes} LOGIN=u+2Bx@example.test`)).toMatch(/^220 /);
    expect(await client.say('XCLIENT PORT=[UNAVAILABLE]')).toMatch(/^220 /);
    await client.say('QUIT');
    expect(await client.isClosed()).toBe(true);
    expect(seen).toEqual([
      'connect Unknown 127.0.0.1:40000 -> 127.0.0.1:25 undefined nobody relay=false new=true',
      'disconnect 127.0.0.1',
      'post-connection 127.0.0.1',
      'connect a.example 192.0.2.1:99 -> 2001:db8::1:587 a u+x@example.test by XCLIENT relay=false new=true',
      'disconnect 192.0.2.1',
      'post-connection 192.0.2.1',
      'connect a.example 192.0.2.1:0 -> 2001:db8::1:587 undefined nobody relay=false new=true',
      'disconnect 192.0.2.1',
      'post-connection 192.0.2.1',
    ]);
  });

  test('is over once the client that was named has sent mail: nginx passes on what that one writes then', async () => {
    const client = await (await start({ plugins: [witness([])] })).greeted();
    expect(await client.say('XCLIENT ADDR=192.0.2.1')).toMatch(/^220 /);
    expect(await client.say('XCLIENT ADDR=192.0.2.2')).toMatch(/^220 /);
    expect(await client.say('EHLO client.example')).toContain('XCLIENT');
    await client.say('MAIL FROM:<a@b.example>');
    await client.say('RSET');
    expect(await client.say('XCLIENT ADDR=127.0.0.1 LOGIN=root')).toMatch(/^550 /);
    expect(await client.say('EHLO client.example')).not.toContain('XCLIENT');
  });

  test('lets nobody relay by LOGIN unless xclient_login_relays says so', async () => {
    for (const [relays, reply] of [
      ['0', /^450 /],
      ['1', /^250 /],
    ] as const) {
      const client = await (
        await start({ plugins: [witness([])], config: { xclient_login_relays: relays } })
      ).greeted();
      await client.say('XCLIENT ADDR=192.0.2.1 LOGIN=u');
      await client.say('HELO client.example');
      await client.say('MAIL FROM:<a@b.example>');
      expect(await client.say('RCPT TO:<u@elsewhere.example>')).toMatch(reply);
    }
  });

  test('the connect hooks may refuse the new client, at once or later, and the connection ends', async () => {
    for (const isLate of [false, true]) {
      const doorman = definePlugin({
        name: 'doorman',
        about: 'Refuses one address.',
        hooks: {
          async connect({ connection }) {
            if (isLate) await new Promise((resolve) => setImmediate(resolve));
            return connection.remoteIp === '192.0.2.66' ? deny('not you') : undefined;
          },
        },
      });
      const client = await (await start({ plugins: [doorman] })).greeted();
      client.send('XCLIENT ADDR=192.0.2.66\r\nNOOP\r\n');
      expect(await client.reply()).toBe('550 not you');
      expect(await client.reply()).toBe('');
    }
  });

  test('commands after it wait for the connect hooks', async () => {
    const slow = definePlugin({
      name: 'slow',
      about: 'Takes a turn.',
      hooks: { connect: () => new Promise((resolve) => setImmediate(resolve, undefined)) },
    });
    const client = await (await start({ plugins: [slow] })).greeted();
    client.send('XCLIENT ADDR=192.0.2.1 NAME=a.example\r\nHELO c.example\r\nNOOP\r\n');
    expect(await client.reply()).toMatch(/^220 /);
    expect(await client.reply()).toMatch(/^250 mx\.test Hi a\.example \[192\.0\.2\.1\]/);
    expect(await client.reply()).toBe('250 OK');
  });

  test('a connect hook that answers by itself leaves the session usable', async () => {
    let greets = false;
    const mute = definePlugin({
      name: 'mute',
      about: 'Greets once.',
      hooks: { connect: () => (greets ? undefined : ((greets = true), done)) },
    });
    const client = (await start({ plugins: [mute] })).connect();
    expect(await client.say('XCLIENT ADDR=192.0.2.1')).toMatch(/^220 /);
  });
});

describe('attributes', () => {
  test.each([
    ['ADDR=192.0.2.1', { address: '192.0.2.1' }],
    ['addr=ipv6:2001:DB8::1', { address: '2001:db8::1' }],
    ['ADDR=IPV6:::ffff:192.0.2.1', { address: '192.0.2.1' }],
    ['ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL]', { address: null, name: null }],
    ['PORT=0 DESTPORT=65535', { port: 0, localPort: 65_535 }],
    ['PROTO=smtp  HELO=+5B192.0.2.1+5D', { protocol: 'SMTP', helo: '[192.0.2.1]' }],
    ['LOGIN=j+C3+BCrg', { login: 'jürg' }],
  ])('%s', (text, expected) => expect(readClient(text)).toEqual(expected));

  test.each(['', 'ADDR', 'ADDR=', '=x', 'ADDR=1.2.3', 'ADDR=010.0.0.1', 'ADDR=::1', 'PORT=-1', 'PORT=1e3'])(
    '%j is refused',
    (text) => expect(readClient(text)).toBeUndefined(),
  );

  test('__proto__ and the like are no attributes', () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      expect(readClient(`${name}=x`)).toBeUndefined();
    }
  });

  test('any octets are either refused or leave text without control characters', () => {
    const names = fc.constantFrom('NAME', 'ADDR', 'HELO', 'LOGIN', 'PROTO', 'PORT');
    fc.assert(
      fc.property(names, fc.string({ unit: 'binary' }), (name, value) => {
        const read = readClient(`${name}=${value}`);
        for (const text of Object.values(read ?? {}))
          expect(String(text)).not.toMatch(/[\u0000-\u001f\u007f]/);
      }),
    );
  });
});

describe('xtext (RFC 3461 section 4)', () => {
  test.each([
    ['plain', 'plain'],
    ['a+2Bb+3Dc', 'a+b=c'],
    ['+C3+BC', 'ü'],
  ])('%s', (coded, text) => expect(decodeXtext(coded)).toBe(text));

  test.each(['a+', 'a+2', 'a+2bb', 'a=b', 'a+zz', 'a b', 'ü', 'a+0D+0Ab', 'a+00', 'a+7F'])(
    '%j is none',
    (coded) => expect(decodeXtext(coded)).toBeUndefined(),
  );
});

describe('whom XCLIENT is believed', () => {
  const from = (address: string, hop = 'tcp') => ({ hops: [hop], peer: { address, port: 1 } });

  test.each([
    ['192.0.2.0/24', '192.0.2.0', true],
    ['192.0.2.0/24', '192.0.2.255', true],
    ['192.0.2.0/24', '192.0.3.0', false],
    ['192.0.2.4/30', '192.0.2.7', true],
    ['192.0.2.4/30', '192.0.2.8', false],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['2001:db8::/33', '2001:db8:7fff::1', true],
    ['2001:db8::/33', '2001:db8:8000::1', false],
    ['::ffff:192.0.2.0/120', '192.0.2.9', true],
    ['192.0.2.9', '::ffff:192.0.2.9', true],
    ['::1', '::1', true],
    ['::/0', '192.0.2.1', false],
    ['unix', '127.0.0.1', false],
  ])('%s has %s: %s', (range, address, isOn) =>
    expect(isTrusted(from(address), AddressRanges.compile([range]))).toBe(isOn),
  );

  test('Unix sockets are not 127.0.0.1', () => {
    expect(isTrusted(from('127.0.0.1', 'unix'), AddressRanges.compile(['127.0.0.1']))).toBe(false);
    expect(isTrusted(from('127.0.0.1', 'unix'), AddressRanges.compile(['unix']))).toBe(true);
  });

  test.each([
    '',
    'proxy.example',
    '192.0.2',
    '010.0.0.1',
    '0x7f.0.0.1',
    '192.0.2.0/33',
    '192.0.2.0/',
    '::/129',
    '::1/64/1',
    'fe80::1%lo',
    '1',
  ])('%j is refused', (line) =>
    expect(() => AddressRanges.compile([line])).toThrow(/neither an IP address nor a range/),
  );

  test('a mistake in xclient_hosts keeps the daemon from starting', async () => {
    await expect(TestServer.start({ config: { xclient_hosts: 'proxy.example' } })).rejects.toThrow(
      /xclient_hosts.*'proxy\.example' is neither/,
    );
  });
});
