/** Servers with AUTH for tests, and what they leave behind. */

import { decline, definePlugin, ok, type Credentials } from '../../../bindings/plugin/index.ts';
import type { Hooks, Secret } from '../../../bindings/plugin/hooks.ts';
import { TestServer, type TestServerOptions } from '../../../host/testing/index.ts';

export const USER = 'user@good.example';
export const SECRET = 'xyzzy-s3cr3t';

/** Knows one user, by every mechanism there is. */
export function keeper(secret: Secret = SECRET, more: Hooks<unknown> = {}) {
  const judge = async (_: unknown, _mechanism: string, credentials: Credentials) =>
    credentials.user === USER && (await credentials.verify(secret)) ? ok('keeper') : undefined;
  return definePlugin({
    name: 'keeper',
    about: 'Knows one user.',
    hooks: {
      'auth-plain': judge,
      'auth-login': judge,
      'auth-cram-md5': judge,
      'auth-scram-sha-256': judge,
      'auth-oauthbearer': judge,
      'auth-xoauth2': judge,
      ...more,
    } as Hooks<unknown>,
  });
}

/** A plugin of hooks and nothing else. */
export const withHooks = (hooks: Hooks<unknown>, name = 'probe') =>
  definePlugin({ name, about: 'For a test.', hooks });

/** Keeps every line of the log, at every level. */
export function recorder() {
  const lines: string[] = [];
  const plugin = withHooks(
    { logging: (_, { level, text }) => void lines.push(`${level} ${text}`) },
    'recorder',
  );
  return { plugin, lines };
}

export const declineWith = (words: string) => () => decline(words);

const servers: TestServer[] = [];

/** Failed attempts are answered at once, and any number of them is taken, unless the test says otherwise. */
export async function startServer({ config, ...rest }: TestServerOptions): Promise<TestServer> {
  const limits = { auth_delay: '0', auth_failures: '1000', max_unrecognized: '0' };
  const server = await TestServer.start({ ...rest, config: { ...limits, ...config } });
  servers.push(server);
  return server;
}

export const closeServers = (): Promise<unknown> =>
  Promise.all(servers.splice(0).map((server) => server.close()));
