/** Addresses for those who ask for so many that a promise for each would cost too much. */

import { describe, expect, test } from 'vitest';
import { asking, type AskingOptions } from './asking.ts';
import { ZoneServer, type Zone } from './zone-server.ts';

const ZONE: Zone = { 'A a.example': { records: [['A a.example', '192.0.2.1']] } };

async function given(zone: Zone, options: AskingOptions = {}) {
  const server = await ZoneServer.start(zone);
  let now = 0;
  const dns = asking([server.resolver()], { now: () => now, ...options });
  return { server, dns, wait: (ms: number) => (now += ms) };
}

describe('answers', () => {
  test('are there at once when they are kept', async () => {
    const { dns, server, wait } = await given(ZONE);
    expect(dns.resolve4Now!('a.example')).toBeUndefined();
    expect(server.asked).toEqual([]);
    const answer = await dns.resolve4('a.example');
    expect(dns.resolve4Now!('A.example.')).toBe(answer);
    wait(3_600_001);
    expect(dns.resolve4Now!('a.example')).toBeUndefined();
  });

  test('of one type are none of another, whatever the name looks like', async () => {
    const { dns } = await given({ 'MX a.example': { records: [['MX a.example', '10 mx.a.example']] } });
    expect(await dns.mx('a.example')).toMatchObject({ status: 'found' });
    expect(dns.resolve4Now!('MX a.example')).toBeUndefined();
    expect(await dns.resolve4('MX a.example')).toMatchObject({ status: 'no such name' });
  });

  test('are received without a promise, from the server, together with others, and from what is kept', async () => {
    const { dns, server } = await given(ZONE);
    const received: unknown[] = [];
    const receiver = { receive: (answer: unknown) => void received.push(answer) };
    dns.resolve4For!('a.example', receiver);
    dns.resolve4For!('A.example', receiver, { timeoutMs: 60_000, signal: new AbortController().signal });
    const answer = await dns.resolve4('a.example');
    expect(received).toEqual([answer, answer]);
    dns.resolve4For!('a.example', receiver);
    expect(received).toHaveLength(3);
    dns.resolve4For!('a.example', receiver, { signal: AbortSignal.abort() });
    expect(received[3]).toMatchObject({ status: 'failed', reason: 'aborted' });
    dns.resolve4For!('a..example', receiver);
    expect(received[4]).toMatchObject({ status: 'no such name' });
    expect(server.asked).toHaveLength(1);
  });

  test('reach all, even if one of those who receive them throws', async () => {
    const log: string[] = [];
    const { dns } = await given(ZONE, { log: (_, text) => void log.push(text) });
    const broken = {
      receive: () => {
        throw new Error('oops');
      },
    };
    dns.resolve4For!('a.example', broken);
    expect(await dns.resolve4('a.example', { timeoutMs: 60_000 })).toMatchObject({ status: 'found' });
    dns.resolve4For!('a.example', broken);
    expect(log).toEqual(Array(2).fill('a receiver of an answer has failed: Error: oops'));
  });
});
