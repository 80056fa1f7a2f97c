/** Neither passwords nor tokens reach the log, in clear text or in base64, at the highest level. */

import { afterEach, describe, expect, test } from 'vitest';
import { deny, ok, type Credentials } from '../../../bindings/plugin/index.ts';
import type { Hooks } from '../../../bindings/plugin/hooks.ts';
import { closeServers, keeper, recorder, SECRET, startServer, USER, withHooks } from './auth-server.ts';
import { attemptNames, attempts, encode } from './sasl-client.ts';

afterEach(closeServers);

const PLAIN = encode(`\0${USER}\0${SECRET}`);
/** Every shape in which a client of these tests sends the secret. */
const SHAPES = [
  SECRET,
  encode(SECRET),
  PLAIN,
  encode(`n,a=${USER},\u0001auth=Bearer ${SECRET}\u0001\u0001`),
  encode(`user=${USER}\u0001auth=Bearer ${SECRET}\u0001\u0001`),
];

function expectNoSecret(lines: readonly string[]): void {
  expect(lines.length).toBeGreaterThan(5);
  const log = lines.join('\n').toLowerCase();
  for (const shape of SHAPES) expect(log).not.toContain(shape.toLowerCase());
}

describe.each(attemptNames)('%s', (name) => {
  test('success and failure', async () => {
    const { plugin, lines } = recorder();
    const server = await startServer({ plugins: [keeper(), plugin] });
    for (const user of ['nobody@good.example', USER]) {
      await attempts[name](await server.greeted(), { user, secret: SECRET });
    }
    expect(lines.some((line) => line.includes('AUTH'))).toBe(true);
    expectNoSecret(lines);
  });

  test.each<[string, (credentials: Credentials) => unknown]>([
    [
      'throws it',
      ({ password, token }) => Promise.reject(new Error(`bind failed: ${password ?? token ?? SECRET}`)),
    ],
    ['returns the credentials', (credentials) => credentials],
    ['refuses with it', ({ password, token }) => deny(`wrong: ${password ?? token ?? ''}`)],
    ['accepts with it', ({ password, token }) => ok(`right: ${password ?? token ?? ''}`)],
  ])('a plugin that %s', async (_, answer) => {
    if (name === 'CRAM-MD5' || name === 'SCRAM-SHA-256') return;
    const hook = (_context: unknown, _mechanism: string, credentials: Credentials) => answer(credentials);
    const word = name.replace(' in two', '').toLowerCase();
    const { plugin, lines } = recorder();
    const server = await startServer({
      plugins: [withHooks({ [`auth-${word}`]: hook } as Hooks<unknown>), plugin],
    });
    await attempts[name](await server.greeted(), { user: USER, secret: SECRET });
    expectNoSecret(lines);
  });
});

test('auth_parse sees the secret, the log does not, whatever it answers', async () => {
  for (const answer of [() => ok(`PLAIN ${PLAIN}`), () => deny(`no: ${PLAIN}`)]) {
    const { plugin, lines } = recorder();
    const dies = withHooks({
      auth_parse: (_, line) => {
        throw new Error(`cannot read ${line}`);
      },
    });
    const server = await startServer({ plugins: [dies, keeper(SECRET, { auth_parse: answer }), plugin] });
    await (await server.greeted()).say(`AUTH PLAIN ${PLAIN}`);
    expectNoSecret(lines);
  }
});

test('where AUTH is not offered, plugins are not told what stood after the mechanism', async () => {
  const told: unknown[] = [];
  const { plugin, lines } = recorder();
  const probe = withHooks({ unrecognized_command: (_, ...words) => void told.push(words) });
  const client = await (await startServer({ plugins: [probe, plugin] })).greeted();
  expect(await client.say(`AUTH PLAIN ${PLAIN}`)).toBe('500 Unrecognized command');
  expect(told).toEqual([['auth', 'PLAIN']]);
  expectNoSecret(lines);
});

test('a broken exchange', async () => {
  const { plugin, lines } = recorder();
  const client = await (await startServer({ plugins: [keeper(), plugin] })).greeted();
  await client.say(`AUTH PLAIN ${PLAIN} ${PLAIN}`);
  await client.say(`AUTH PLAIN ${PLAIN}=`);
  await client.say('AUTH LOGIN');
  await client.say(`${encode(SECRET)}!`);
  await client.say(`AUTH CRAM-MD5 ${PLAIN}`);
  await client.say('AUTH CRAM-MD5');
  await client.say(encode(SECRET));
  expectNoSecret(lines);
});
