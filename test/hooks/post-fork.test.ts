/** When the hook post-fork runs: before the first client of every reading of the configuration. */

import { afterEach, expect, test } from 'vitest';
import { definePlugin, deny } from '../../bindings/plugin/index.ts';
import { TestServer } from '../../host/testing/index.ts';

const servers: TestServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

/** A server with a plugin that turns clients away until its hook is through, which from the second time on is up to the test. */
async function start() {
  const begun: number[] = [];
  let release: () => void = () => undefined;
  const plugin = definePlugin({
    name: 'starter',
    about: 'Needs a running process before it can judge anybody.',
    hooks() {
      let isReady = false;
      return {
        async 'post-fork'() {
          if (begun.push(begun.length) > 1) await new Promise<void>((resolve) => (release = resolve));
          isReady = true;
        },
        connect: () => (isReady ? undefined : deny('not ready')),
      };
    },
  });
  const server = await TestServer.start({ plugins: [plugin] });
  servers.push(server);
  return { server, begun, release: () => release() };
}

const hasBegun = (begun: readonly number[], times: number): Promise<void> =>
  expect.poll(() => begun).toHaveLength(times);

test('it is awaited at the start and again at every reload; until then clients have the old configuration', async () => {
  const { server, begun, release } = await start();
  expect(await server.connect().reply()).toMatch(/^220 /);
  for (const times of [2, 3]) {
    const before = server.server.generation;
    const reload = server.server.reload();
    await hasBegun(begun, times);
    expect(server.server.generation).toBe(before);
    expect(await server.connect().reply()).toMatch(/^220 /);
    release();
    await reload;
    expect(server.server.generation).not.toBe(before);
    expect(await server.connect().reply()).toMatch(/^220 /);
  }
});

test('a configuration that is not ready before the daemon stops never counts', async () => {
  const { server, begun, release } = await start();
  const before = server.server.generation;
  const reload = server.server.reload();
  await hasBegun(begun, 2);
  await servers.pop()!.close();
  release();
  await reload;
  expect(server.server.generation).toBe(before);
});
