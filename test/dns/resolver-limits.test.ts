/** What a resolver may keep, wait for and send, however many ask, cancel or wait with more patience than others. */

import { describe, expect, test, vi } from 'vitest';
import { PATIENCE } from '../patience.ts';
import { asking, expectNothingOpen, type AskingOptions } from './asking.ts';
import { ZoneServer, type Said, type Zone } from './zone-server.ts';

const SILENT: Said = { spoil: () => [] };
const TIMEOUT = { status: 'failed', reason: 'timeout' };

async function given(zone: Zone, options: AskingOptions = {}) {
  const server = await ZoneServer.start(zone);
  return { server, dns: asking([server.resolver()], options) };
}

describe('the time limit', () => {
  test('of those without one of their own is not moved by others with more patience', async () => {
    const { dns } = await given({ '* a.example': SILENT }, { timeoutMs: 300 });
    const stop = new AbortController();
    const plain = dns.mx('a.example');
    const patient = dns.mx('a.example', { timeoutMs: 600_000, signal: stop.signal });
    expect(await plain).toMatchObject(TIMEOUT);
    stop.abort();
    expect(await patient).toMatchObject({ reason: 'aborted' });
    expectNothingOpen(dns);
  });

  test('of a question many join one after the other does not keep it from being sent again', async () => {
    const { dns, server } = await given(
      { '* a.example': SILENT },
      { attempts: 1, attemptMs: 50, timeoutMs: 200 },
    );
    const stop = new AbortController();
    const join = () => dns.mx('a.example', { timeoutMs: 60_000, signal: stop.signal });
    const all = [join()];
    await vi.waitFor(() => expect(server.asked).toHaveLength(1), PATIENCE);
    server.zone = { 'MX a.example': { records: [['MX a.example', '10 mx.a.example']] } };
    const joining = setInterval(() => all.push(join()), 20);
    try {
      expect(
        await Promise.race([all[0], new Promise((resolve) => setTimeout(resolve, 10_000))]),
      ).toMatchObject({ status: 'found' });
    } finally {
      clearInterval(joining);
      stop.abort();
    }
    await Promise.all(all);
    expectNothingOpen(dns);
  });

  test('holds in a process that is always late', async () => {
    const { dns } = await given({ '* a.example': SILENT }, { timeoutMs: 200 });
    let isOver = false;
    const answer = dns.mx('a.example').finally(() => (isOver = true));
    for (let turn = 0; turn < 20 && !isOver; turn++) {
      const until = performance.now() + 150;
      while (performance.now() < until);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(isOver).toBe(true);
    expect(await answer).toMatchObject(TIMEOUT);
  });
});

describe('questions that wait for room', () => {
  test('are not sent when the resolver is closed', async () => {
    const zone = { '* n1.example': SILENT, '* n2.example': SILENT };
    const { dns, server } = await given(zone, { maxAsked: 2 });
    const all = Array.from({ length: 100 }, (_, at) => dns.mx(`n${at}.example`));
    await vi.waitFor(() => expect(server.asked).toHaveLength(3), PATIENCE);
    const sent = vi.spyOn((await import('node:dgram')).Socket.prototype, 'send');
    dns.close();
    expect(sent).not.toHaveBeenCalled();
    sent.mockRestore();
    for (const answer of (await Promise.all(all)).slice(1))
      expect(answer).toMatchObject({ reason: 'closed' });
  });

  test('and are given up leave their place, however long there is none for others', async () => {
    const { dns } = await given({ '* a.example': SILENT }, { maxAsked: 1 });
    const stop = new AbortController();
    const first = dns.mx('a.example', { signal: stop.signal });
    for (let turn = 0; turn < 60; turn++) {
      const gone = new AbortController();
      for (let at = 0; at < 1_000; at++) void dns.mx(`n${at}.example`, { signal: gone.signal });
      gone.abort();
    }
    expect(dns.counts.line).toBeLessThan(2 * 16_384 + 1_000);
    stop.abort();
    await first;
    expectNothingOpen(dns);
  });

  test('may be ten thousand', async () => {
    const { dns, server } = await given({});
    const names = Array.from({ length: 10_000 }, (_, at) => `n${at}.example`);
    const answers = await Promise.all(names.map((name) => dns.mx(name)));
    expect(answers.every(({ status }) => status === 'no such name')).toBe(true);
    expect(new Set(server.asked).size).toBe(10_000);
    expect(dns.counts.sockets).toBeLessThanOrEqual(8);
    expectNothingOpen(dns);
  });
});

describe('what is kept', () => {
  test('of a chain of aliases without end is nothing about the names within it', async () => {
    const zone: Zone = { 'A n9.example': { records: [['A n9.example', '192.0.2.1']] } };
    for (let at = 0; at < 9; at++)
      zone[`A n${at}.example`] = { records: [[`CNAME n${at}.example`, `n${at + 1}.example`]] };
    const { dns } = await given(zone);
    expect(await dns.resolve4('n0.example')).toMatchObject({ reason: 'aliases without end' });
    expect(await dns.resolve4('n8.example')).toMatchObject({ status: 'found', canonicalName: 'n9.example' });
  });

  test('is frozen, failures included', async () => {
    const { dns } = await given({
      'A loop.example': { records: [['CNAME loop.example', 'loop.example']] },
      '* a.example': SILENT,
    });
    const stop = new AbortController();
    const aborted = dns.mx('a.example', { signal: stop.signal });
    stop.abort();
    for (const answer of [await dns.resolve4('loop.example'), await aborted, await dns.mx('no..name')])
      expect(Object.isFrozen(answer), JSON.stringify(answer)).toBe(true);
  });
});

test('letters that are only like those of ASCII do not become them. RFC 4343 section 3', async () => {
  const { dns, server } = await given({});
  expect(await dns.mx('ban\u212a.example')).toMatchObject({ status: 'no such name' });
  expect(server.asked).toEqual([]);
});
