/** The services over the real system: files, the DNS (against a name server of the test), time. */

import { createSocket, type Socket } from 'node:dgram';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { SystemDns } from '../../host/dns/system-dns.ts';
import { SystemFiles } from '../../host/services/files.ts';
import { localTime } from '../../host/services/local-time.ts';
import { ZoneServer } from '../dns/zone-server.ts';
import { PATIENCE } from '../patience.ts';

const folder = mkdtempSync(join(tmpdir(), 'services-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string): string => join(folder, name);

describe('files', () => {
  let now = 1_000_000;
  const files = new SystemFiles({ now: () => now });

  test('read gives the text, nothing for what is no file, and refuses what is too large', async () => {
    writeFileSync(path('a'), 'one\ntwo\n');
    expect(await files.read(path('a'), { maxOctets: 8 })).toBe('one\ntwo\n');
    expect(await files.read(path('missing'), { maxOctets: 8 })).toBeUndefined();
    expect(await files.read(path('a/b'), { maxOctets: 8 })).toBeUndefined();
    expect(await files.read(folder, { maxOctets: 8 })).toBeUndefined();
    await expect(files.read(path('a'), { maxOctets: 7 })).rejects.toThrow('more than 7 octets');
  });

  test('readOctetsNow gives the octets, nothing for what is missing, and refuses what is too large', () => {
    const octets = Buffer.from([0xff, 0x00, 0x80]);
    writeFileSync(path('octets'), octets);
    expect(files.readOctetsNow(path('octets'), { maxOctets: 3 })).toEqual(octets);
    expect(files.readOctetsNow(path('missing'), { maxOctets: 3 })).toBeUndefined();
    expect(() => files.readOctetsNow(path('octets'), { maxOctets: 2 })).toThrow('more than 2 octets');
    expect(() => files.readOctetsNow(folder, { maxOctets: 2 })).toThrow('is no file');
  });

  test('readNow gives the text, or says which file is wrong and what to do about it', () => {
    writeFileSync(path('pem'), 'one\n');
    expect(files.readNow(path('pem'), { maxOctets: 4 })).toBe('one\n');
    const reading = (name: string, maxOctets = 4) => expect(() => files.readNow(path(name), { maxOctets }));
    reading('pem', 3).toThrow(`${path('pem')}: has more than 3 octets (leave`);
    reading('missing').toThrow(`${path('missing')}: can't be read: ENOENT (it has to be there`);
    reading('.').toThrow('is no file (make it one)');
  });

  test.each([
    [0o600, undefined],
    [0o400, undefined],
    [0o640, 'can be read or written by others (chmod 600)'],
    [0o602, 'can be read or written by others (chmod 600)'],
  ])('a secret in a file of mode %o: %s', (mode, problem) => {
    const name = path(`secret-${mode}`);
    writeFileSync(name, 'password p4ss');
    chmodSync(name, mode);
    if (problem === undefined) return expect(files.readSecret(name)).toBe('password p4ss');
    expect(() => files.readSecret(name)).toThrow(`${name}: ${problem}`);
    expect(() => files.readSecret(name)).not.toThrow('p4ss');
  });

  test.runIf(process.geteuid?.() === 0)('a secret of another user is refused, even to root', () => {
    writeFileSync(path('foreign'), 'p4ss', { mode: 0o600 });
    chownSync(path('foreign'), 4711, 4711);
    expect(() => files.readSecret(path('foreign'))).toThrow('belongs to another user (chown');
  });

  test('append never mixes what one process writes, and a failure does not hold up what follows', async () => {
    async function* slowly(letter: string) {
      for (let count = 0; count < 5; count++) {
        await new Promise((resolve) => setImmediate(resolve));
        yield Buffer.from(letter);
      }
    }
    async function* broken(): AsyncGenerator<Buffer> {
      await Promise.resolve();
      throw new Error('gone');
    }
    const written = [
      files.append(path('log'), slowly('a')),
      files.append(path('log'), broken()),
      files.append(path('log'), slowly('b')),
    ];
    const results = await Promise.allSettled(written);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(readFileSync(path('log'), 'utf8')).toBe('aaaaabbbbb');
    await expect(files.append(path('no/such'), [])).rejects.toThrow('ENOENT');
  });

  test('a kept list follows its file, looks once a second at most, and outlives the file', async () => {
    writeFileSync(path('list'), '# comment\n\n a OK \n');
    const kept = files.keep(path('list'));
    expect(kept.lines).toEqual(['a OK']);
    writeFileSync(path('list'), 'b OK longer\n');
    expect(kept.refresh()).toBeUndefined();
    expect(kept.lines).toEqual(['a OK']);
    now += 1_000;
    await kept.refresh();
    expect(kept.lines).toEqual(['b OK longer']);
    const same = kept.lines;
    utimesSync(path('list'), 1, 2);
    rmSync(path('list'));
    now += 1_000;
    await kept.refresh();
    expect(kept.lines).toBe(same);
    expect(files.keep(path('never')).lines).toBeUndefined();
  });
});

describe('dns', () => {
  const A = 1;
  const RCODE_NXDOMAIN = 3;
  const RCODE_SERVFAIL = 2;

  const PTR = 12;
  /** `client.test` in the form of the DNS. */
  const CLIENT = [6, ...Buffer.from('client'), 4, ...Buffer.from('test'), 0];
  const ANSWERS: Readonly<Record<string, readonly number[]>> = {
    [`${A} found.test`]: [192, 0, 2, 9],
    [`${PTR} 9.2.0.192.in-addr.arpa`]: CLIENT,
  };

  /** Knows `ANSWERS`, fails for `broken.test`, is silent for `silent.test`; `none.test` does not exist. */
  function nameServer(): Promise<Socket> {
    const socket = createSocket('udp4');
    socket.on('message', (question, { port, address }) => {
      const { name, type, end } = readQuestion(question);
      if (name === 'silent.test') return;
      const data = ANSWERS[`${type} ${name}`];
      const rcode = name === 'broken.test' ? RCODE_SERVFAIL : name === 'none.test' ? RCODE_NXDOMAIN : 0;
      const count = data === undefined ? 0 : 1;
      const header = [question[0]!, question[1]!, 0x81, 0x80 | rcode, 0, 1, 0, count, 0, 0, 0, 0];
      const answer =
        data === undefined ? [] : [0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length, ...data];
      const reply = Buffer.from([...header, ...question.subarray(12, end), ...answer]);
      socket.send(reply, port, address);
    });
    return new Promise((resolve) => socket.bind(0, '127.0.0.1', () => resolve(socket)));
  }

  function readQuestion(question: Buffer): { name: string; type: number; end: number } {
    const labels: string[] = [];
    let at = 12;
    for (let length = question[at]!; length > 0; length = question[at]!) {
      labels.push(question.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    return { name: labels.join('.').toLowerCase(), type: question.readUInt16BE(at + 1), end: at + 5 };
  }

  test('what the name server says is told apart, and its silence is a fault in time. RFC 2308 section 2', async () => {
    const server = await nameServer();
    const dns = new SystemDns({ servers: [`127.0.0.1:${server.address().port}`] });
    const found = (name: string, ...records: string[]) => ({
      status: 'found',
      records,
      isSecure: false,
      canonicalName: name,
    });
    expect(await dns.resolve4('Found.test.')).toEqual(found('found.test', '192.0.2.9'));
    expect(await dns.resolve6('found.test')).toMatchObject({ status: 'no such record' });
    expect(await dns.mx('none.test')).toMatchObject({ status: 'no such name' });
    expect(await dns.txt('bare.test')).toMatchObject({ status: 'no such record' });
    expect(await dns.reverse('192.0.2.9')).toEqual(found('9.2.0.192.in-addr.arpa', 'client.test'));
    expect(await dns.reverse('2001:db8::1')).toMatchObject({ status: 'no such record' });
    expect(await dns.reverse('no address')).toMatchObject({ status: 'no such name' });
    expect(await dns.resolve4('broken.test')).toMatchObject({ status: 'failed', reason: 'ESERVFAIL' });
    expect(await dns.resolve4('silent.test', { timeoutMs: 50 })).toMatchObject({
      status: 'failed',
      reason: 'timeout',
    });
    for (const name of ['bad..name', 'x'.repeat(300), 'a\0b']) {
      expect((await dns.resolve4(name, { timeoutMs: 500 })).status, name).not.toBe('found');
    }
    server.close();
  });

  test('an answer is waited for as long as it is wanted, and what Node cannot ask is asked all the same', async () => {
    const tlsaName = 'TLSA _25._tcp.mx.a.example';
    const tlsa = { usage: 3, selector: 1, matching: 1, data: Buffer.alloc(32, 7) };
    const server = await ZoneServer.start({
      'A silent.example': { spoil: () => [] },
      [tlsaName]: { records: [[tlsaName, tlsa]], isSecure: true },
      'CNAME www.a.example': { records: [['CNAME www.a.example', 'a.example']], isSecure: true },
      'MX a.example': { records: [['MX a.example', '10 mx.a.example']], isSecure: true },
    });
    onTestFinished(() => server.close());
    const servers = [`127.0.0.1:${server.port}`];
    const dns = new SystemDns({ servers, trustedResolvers: () => [server.resolver()] });
    const stop = new AbortController();
    const answer = dns.resolve4('silent.example', { signal: stop.signal });
    await vi.waitFor(() => expect(server.asked).toEqual(['A silent.example']), PATIENCE);
    stop.abort();
    expect(await answer).toMatchObject({ status: 'failed', reason: 'aborted' });
    expect(await dns.mx('a.example', { signal: stop.signal })).toMatchObject({ reason: 'aborted' });
    expect(await dns.tlsa('_25._tcp.mx.a.example')).toMatchObject({ records: [tlsa], isSecure: false });
    expect(await dns.cname('www.a.example')).toMatchObject({ records: ['a.example'], isSecure: false });
    expect(await dns.mx('a.example')).toMatchObject({ status: 'found', isSecure: false });
    expect(await dns.authenticated.mx('a.example')).toMatchObject({ status: 'found', isSecure: true });
  });
});

test('local time agrees with the system', () => {
  for (const [month, day] of [
    [0, 1],
    [1, 29],
    [11, 31],
  ] as const) {
    const date = new Date(2024, month, day, 23, 59, 58);
    expect(localTime(date.getTime())).toMatchObject({
      year: 2024,
      month: month + 1,
      day,
      hour: 23,
      minute: 59,
      second: 58,
      weekday: date.getDay(),
    });
  }
  expect(localTime(new Date(2024, 11, 31, 12).getTime()).dayOfYear).toBe(366);
});
