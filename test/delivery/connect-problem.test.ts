/** Why nobody could be connected to, as the log has it: with address and port. */

import { freePort } from '../free-port.ts';
import { expect, test } from 'vitest';
import { connect } from '../../host/connect/connect.ts';
import { connectProblem } from '../../bindings/plugin/connect.ts';

const refused = (address: string, port: number) =>
  Object.assign(new Error(`connect ECONNREFUSED ${address}:${port}`), {
    code: 'ECONNREFUSED',
    syscall: 'connect',
  });
const notFound = Object.assign(new Error('getaddrinfo ENOTFOUND no.example'), {
  code: 'ENOTFOUND',
  syscall: 'getaddrinfo',
});

test.each<[string, unknown, number | undefined, string]>([
  ['one address', refused('192.0.2.1', 25), 25, 'connect ECONNREFUSED 192.0.2.1:25'],
  [
    'several addresses',
    new AggregateError([refused('2001:db8::1', 25), refused('192.0.2.1', 25)]),
    25,
    'connect ECONNREFUSED 2001:db8::1:25, connect ECONNREFUSED 192.0.2.1:25',
  ],
  ['a name without an address', notFound, 25, 'getaddrinfo ENOTFOUND no.example port 25'],
  ['a Unix socket', new Error('connect ENOENT /run/x'), undefined, 'connect ENOENT /run/x'],
  ['what has no message', Object.assign(new Error(''), { code: 'EPIPE' }), 25, 'EPIPE'],
  ['what is no error', 'gone', 25, 'gone'],
])('%s', (_, cause, port, text) => {
  expect(connectProblem(cause, port)).toBe(text);
});

test('a daemon whose name has several addresses, none of which listens', async () => {
  const port = await freePort();
  const addresses = [
    { address: '127.0.0.1', family: 4 },
    { address: '127.0.0.2', family: 4 },
  ];
  const lookup = (
    _name: string,
    _options: unknown,
    found: (error: null, all: typeof addresses) => void,
  ): void => found(null, addresses);
  const to = { host: 'several.test', port, lookup: lookup as never };
  const problem = await connect(to, { timeoutMs: 10_000 }).catch((cause: Error) => cause.message);
  expect(problem).toBe(`connect ECONNREFUSED 127.0.0.1:${port}, connect ECONNREFUSED 127.0.0.2:${port}`);
});
