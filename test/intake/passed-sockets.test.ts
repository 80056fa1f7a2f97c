/** What the environment says of sockets that the starter has passed, and what is wrong with descriptors. */

import { closeSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseListen } from '../../host/intake/listen-spec.ts';
import { checkDescriptors, PassedSockets, pathOfSocket } from '../../host/intake/passed-sockets.ts';
import { SocketAcceptor } from '../../host/intake/socket-acceptor.ts';

const PID = 4711;

function taken(environment: NodeJS.ProcessEnv): PassedSockets {
  return PassedSockets.take(environment, PID);
}

const TWO = { LISTEN_PID: `${PID}`, LISTEN_FDS: '2', LISTEN_FDNAMES: 'smtp:submission' };

test('the variables are taken out of the environment, whoever they were for', () => {
  for (const LISTEN_PID of [`${PID}`, '1', undefined]) {
    const environment = { ...TWO, LISTEN_PID, LISTEN_PIDFDID: '7', PATH: '/bin' };
    taken(environment);
    expect(environment).toEqual({ PATH: '/bin' });
  }
});

test('names stand for descriptors from 3 on; options stay', () => {
  const listen = ['fdname:submission tls=implicit', ' fdname:smtp', 'tcp://127.0.0.1:25', 'fd:9'];
  const resolved = ['fd:4 tls=implicit', 'fd:3', 'tcp://127.0.0.1:25', 'fd:9'];
  expect(taken({ ...TWO }).resolve(listen, false)).toEqual(resolved);
});

test('one name stands for all sockets that have it', () => {
  const passed = taken({ ...TWO, LISTEN_FDS: '3', LISTEN_FDNAMES: 'smtp:other:smtp' });
  expect(passed.resolve(['fdname:smtp proxy=required'], false)).toEqual([
    'fd:3 proxy=required',
    'fd:5 proxy=required',
  ]);
  expect(passed.unusedBy(['fd:3', 'fd:5'])).toEqual(['fd:4 (other)']);
});

test('without a line about listeners all are served', () => {
  expect(taken({ ...TWO }).resolve(['tcp://[::]:2525'], true)).toEqual(['fd:3', 'fd:4']);
  expect(taken({}).resolve(['tcp://[::]:2525'], true)).toEqual(['tcp://[::]:2525']);
});

test('workers know them by their primary', () => {
  const environment: NodeJS.ProcessEnv = { ...taken({ ...TWO }).forOurs() };
  expect(PassedSockets.takeFromOurs(environment).resolve(['fdname:submission'], false)).toEqual(['fd:4']);
  expect(environment).toEqual({});
  expect(PassedSockets.takeFromOurs({}).names).toEqual([]);
});

test.each([
  [{}, 'nobody has passed sockets, LISTEN_FDS is not set'],
  [{ LISTEN_FDS: '2' }, 'LISTEN_PID is not set and this is 4711'],
  [{ ...TWO, LISTEN_PID: '4712' }, 'LISTEN_PID is 4712 and this is 4711 (start it without a shell or npm'],
  [{ ...TWO, LISTEN_FDS: '0' }, 'LISTEN_FDS is 0'],
  [{ ...TWO, LISTEN_FDS: '-1' }, 'LISTEN_FDS is -1'],
  [{ ...TWO, LISTEN_FDS: '9999' }, 'LISTEN_FDS is 9999'],
  [{ ...TWO, LISTEN_FDS: '2x' }, 'LISTEN_FDS is 2x'],
  [{ ...TWO, LISTEN_FDNAMES: 'smtp:submision' }, 'smtp, submision (did you mean submision?)'],
  // Two names for three sockets: no one can say whose they are.
  [{ ...TWO, LISTEN_FDS: '3' }, 'no such name among the sockets that were passed: unknown, unknown, unknown'],
])('%j: no name has a descriptor: %s', (environment, reason) => {
  expect(() => taken(environment).resolve(['fdname:submission'], false)).toThrow(reason);
  // A number says itself which descriptor is meant.
  expect(taken(environment).resolve(['fd:3'], false)).toEqual(['fd:3']);
});

test('two listeners cannot share a descriptor', () => {
  expect(() => taken({ ...TWO }).resolve(['fd:3', 'fdname:smtp'], false)).toThrow('fd:3: two listeners');
});

test('descriptors that are closed or no sockets are named, before anything listens', async () => {
  const file = openSync('/dev/null', 'r');
  const closed = openSync('/dev/null', 'r');
  closeSync(closed);
  try {
    for (const [fd, problem] of [
      [file, 'it is no socket'],
      [closed, 'it is not open'],
    ] as const) {
      expect(() => checkDescriptors(['tcp://127.0.0.1:25', `fd:${fd}`])).toThrow(`fd:${fd}: ${problem}`);
      await expect(new SocketAcceptor(parseListen(`fd:${fd}`)).bind()).rejects.toThrow(problem);
    }
  } finally {
    closeSync(file);
  }
});

test('a descriptor that is no Unix socket has no path', () => {
  expect(pathOfSocket(0)).toBeUndefined();
  expect(pathOfSocket(undefined)).toBeUndefined();
});
