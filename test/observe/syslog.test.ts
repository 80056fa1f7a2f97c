/** Messages to syslog, and the ways they go. */

import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { LogOutput } from '../../bindings/plugin/index.ts';
import {
  cutToOctets,
  localMessage,
  MAX_DATAGRAM,
  networkMessage,
  openSyslog,
  parseRoute,
} from '../../host/observe/syslog-output.ts';

const ORIGIN = { ident: 'qpsmtpd', facility: 2, host: 'mx.example', pid: 4711 };
const AT = new Date(2026, 2, 1, 2, 3, 4, 5);

describe('a message', () => {
  test('for the network has the form of RFC 5424 section 6', () => {
    expect(networkMessage(ORIGIN, 4, 'text', new Date(Date.UTC(2026, 2, 1, 2, 3, 4, 5)))).toBe(
      '<20>1 2026-03-01T02:03:04.005Z mx.example qpsmtpd 4711 - - text',
    );
    expect(networkMessage({ ...ORIGIN, host: 'a b' }, 0, '', AT)).toMatch(/Z - qpsmtpd 4711 - - $/);
  });

  test('for the local socket has the form of syslog(3)', () => {
    expect(localMessage(ORIGIN, 4, 'text', AT)).toBe('<20>Mar  1 02:03:04 qpsmtpd[4711]: text');
  });

  test('is cut to what receivers take, never inside a character. RFC 5426 section 3.2', () => {
    expect(cutToOctets('aaé', 3).toString()).toBe('aa');
    expect(cutToOctets('aaé', 4).toString()).toBe('aaé');
    expect(cutToOctets('日'.repeat(2_000), MAX_DATAGRAM).length).toBe(2_046);
  });
});

describe('a way to syslog', () => {
  test.each([
    ['unix', { kind: 'unix', path: '/dev/log' }],
    ['native', { kind: 'unix', path: '/dev/log' }],
    ['stream', { kind: 'unix', path: '/dev/log' }],
    ['/run/log', { kind: 'unix', path: '/run/log' }],
    ['udp', { kind: 'udp', host: 'localhost', port: 514 }],
    ['tcp', { kind: 'tcp', host: 'localhost', port: 601 }],
    ['inet', { kind: 'tcp', host: 'localhost', port: 601 }],
    ['udp://192.0.2.1:5514', { kind: 'udp', host: '192.0.2.1', port: 5514 }],
    ['tcp://[2001:db8::1]', { kind: 'tcp', host: '2001:db8::1', port: 601 }],
    ['udpx', undefined],
    ['console', undefined],
    ['udp://', undefined],
    ['udp://h:0', undefined],
    ['udp://h:65536', undefined],
  ])('%s', (word, route) => {
    expect(parseRoute(word)).toEqual(route);
  });

  const open = (sockets: string[], complaints: string[] = []): LogOutput =>
    openSyslog({ ident: 'qpsmtpd', facility: 2, sockets }, 'mx.example', (line) => complaints.push(line));

  test('that is none is refused when it is set up', () => {
    expect(() => open(['console'])).toThrow('`console` is no way to syslog');
  });

  test('by UDP is one datagram a message. RFC 5426', async () => {
    const receiver = createSocket('udp4');
    await new Promise<void>((resolve) => receiver.bind(0, '127.0.0.1', resolve));
    const heard = new Promise<string>((resolve) =>
      receiver.once('message', (data) => resolve(data.toString())),
    );
    const output = open([`udp://127.0.0.1:${receiver.address().port}`]);
    output.write('text', 4);
    expect(await heard).toMatch(/^<20>1 \S+ mx\.example qpsmtpd \d+ - - text$/);
    output.close();
    receiver.close();
  });

  test('by TCP says how long each message is. RFC 6587 section 3.4.1', async () => {
    const { heard, port, close } = await listening({ port: 0, host: '127.0.0.1' });
    const output = open([`tcp://127.0.0.1:${port}`]);
    output.write('tëxt', 4);
    output.write('more', 3);
    await expect.poll(heard).toContain('more');
    const first = /^(\d+) /.exec(heard())!;
    const octets = Buffer.from(heard());
    const message = octets.subarray(first[0].length, first[0].length + Number(first[1])).toString();
    expect(message).toMatch(/^<20>1 .* tëxt$/);
    expect(octets.subarray(first[0].length + Number(first[1])).toString()).toMatch(/^\d+ <19>1 .* more$/);
    output.close();
    await close();
  });

  test('by a local stream socket speaks as syslog(3) does', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'syslog-'));
    const { heard, close } = await listening({ path: join(folder, 'log') });
    const output = open([join(folder, 'log')]);
    output.write('text', 4);
    await expect.poll(heard).toMatch(/^<20>\w{3} [ \d]\d [\d:]{8} qpsmtpd\[\d+\]: text\n$/);
    output.close();
    await close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('that fails gives way to the next one, and is complained about', async () => {
    const { heard, port, close } = await listening({ port: 0, host: '127.0.0.1' });
    const complaints: string[] = [];
    const output = open(['/no/such/socket', `tcp://127.0.0.1:${port}`], complaints);
    output.write('lost', 4);
    await expect.poll(() => complaints).toHaveLength(1);
    expect(complaints[0]).toMatch(/^syslog \/no\/such\/socket: .*ENOENT/);
    output.write('text', 4);
    await expect.poll(heard).toContain('text');
    output.close();
    await close();
  });
});

/** A server that collects what is sent to it. */
async function listening(where: { port: number; host: string } | { path: string }) {
  let text = '';
  const server = createServer((socket) =>
    socket.setEncoding('utf8').on('data', (data: string) => (text += data)),
  );
  await new Promise<void>((resolve) => server.listen(where, resolve));
  const address = server.address();
  return {
    heard: () => text,
    port: typeof address === 'object' ? (address as AddressInfo).port : 0,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("ready", flush=True)
print(s.recv(4096).decode(), flush=True)
`;
const hasTools = ['python3', 'logger'].every((tool) => spawnSync(tool, ['--version']).status === 0);

test.skipIf(!hasTools)(
  'a local socket for datagrams, which Node can not speak to, is reached by logger(1)',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'syslog-'));
    const path = join(folder, 'log');
    const receiver = spawn('python3', ['-c', RECEIVER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    receiver.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    await expect.poll(() => said).toContain('ready');
    const complaints: string[] = [];
    const output = openSyslog({ ident: 'qpsmtpd', facility: 2, sockets: [path] }, 'mx', (line) =>
      complaints.push(line),
    );
    output.write('text', 4);
    await expect.poll(() => said).toMatch(new RegExp(`<20>.* qpsmtpd\\[${process.pid}\\]: text`));
    expect(complaints).toEqual([]);
    output.close();
    rmSync(folder, { recursive: true, force: true });
  },
);
