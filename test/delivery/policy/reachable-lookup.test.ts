/** Names that lead to this machine lead nowhere, and look-ups in either form are answered in that form. */

import { createServer, connect, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { lookUpReachable } from '../../../host/delivery/policy/reachable-lookup.ts';

const lookedUp = (name: string, all: boolean): Promise<unknown> =>
  new Promise((resolve) => {
    lookUpReachable(name, { all }, (error, found, family) => resolve(error?.message ?? [found, family]));
  });

test.each([true, false])('this machine and what is no name, all: %s', async (all) => {
  expect(await lookedUp('localhost', all)).toBe('localhost leads to no other host');
  expect(await lookedUp('127.0.0.1', all)).toBe('127.0.0.1 leads to no other host');
  expect(await lookedUp('no.such.invalid', all)).toMatch(/ENOTFOUND|EAI_AGAIN/);
});

test('another host', async () => {
  expect(await lookedUp('10.0.0.1', true)).toEqual([[{ address: '10.0.0.1', family: 4 }], undefined]);
  expect(await lookedUp('10.0.0.1', false)).toEqual(['10.0.0.1', 4]);
});

test('a connection by such a name is not made', async () => {
  let connections = 0;
  const server = createServer(() => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const socket = connect({ host: 'localhost', port, lookup: lookUpReachable });
  const problem = await new Promise<Error>((resolve) => socket.once('error', resolve));
  expect(problem.message).toContain('leads to no other host');
  expect(connections).toBe(0);
});
