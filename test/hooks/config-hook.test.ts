import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { definePlugin, deny, ok, type Config } from '../../bindings/plugin/index.ts';
import { TestServer } from '../../host/testing/index.ts';

let servers: TestServer[] = [];
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  servers = [];
});

async function serverWith(options: Parameters<typeof TestServer.start>[0]): Promise<TestServer> {
  const server = await TestServer.start(options);
  servers.push(server);
  return server;
}

/** A plugin that answers for configuration files from `lines`, and one that shows what others get. */
function pluginsOver(lines: Record<string, string[]>) {
  const asked: string[] = [];
  const source = definePlugin({
    name: 'source',
    about: '',
    hooks: {
      config(_, name) {
        asked.push(name);
        return lines[name] === undefined ? undefined : ok(lines[name]);
      },
    },
  });
  const shower = definePlugin({
    name: 'shower',
    about: '',
    hooks: { help: ({ config }, name) => deny(config.lines(name.trim()).join('; ') || 'nothing') },
  });
  return { plugins: [source, shower], asked };
}

const banner = (server: TestServer): Promise<string> => server.connect().reply();

describe('the hook config', () => {
  test('stands before the file, which stands in where no plugin answers', async () => {
    const { plugins } = pluginsOver({ list: ['of the plugin', 'and more'] });
    const server = await serverWith({ plugins, config: { list: 'of the file', other: 'of the file' } });
    const client = await server.greeted();
    expect(await client.say('HELP list')).toBe('500 of the plugin; and more');
    expect(await client.say('HELP other')).toBe('500 of the file');
  });

  test("answers for the server's own settings, too", async () => {
    const { plugins } = pluginsOver({ me: ['other.test'], smtpgreeting: ['hello from ESMTP'] });
    const server = await serverWith({ plugins });
    expect(await banner(server)).toBe('220 hello from ESMTP');
    const client = await server.greeted();
    expect(await client.say('QUIT')).toMatch(/^221 other\.test /);
  });

  test('is asked again every second: what changes counts from then on', async () => {
    const lines = { smtpgreeting: ['first ESMTP'], list: ['first'] };
    const { plugins } = pluginsOver(lines);
    const server = await serverWith({ plugins });
    const client = await server.greeted();
    expect(await client.say('HELP list')).toBe('500 first');
    lines.smtpgreeting = ['second ESMTP'];
    lines.list = ['second'];
    await expect.poll(() => client.say('HELP list'), { interval: 50 }).toBe('500 second');
    expect(await banner(server)).toBe('220 second ESMTP');
  });

  test('is not asked about what decides which plugins there are', async () => {
    const { plugins, asked } = pluginsOver({ plugins: ['none'], logging: ['none'], loglevel: ['9'] });
    const server = await serverWith({ plugins });
    const client = await server.greeted();
    expect(await client.say('HELP plugins')).toBe('500 source; shower');
    expect(asked).not.toContain('plugins');
    expect(asked).not.toContain('logging');
    expect(asked).not.toContain('loglevel');
  });

  test('gets the file, not itself, where it reads configuration; others still get its answer', async () => {
    const own = definePlugin({
      name: 'own',
      about: '',
      hooks: {
        config: ({ config }: { config: Config }, name) =>
          name.startsWith('list') ? ok(`${config.value('list')} and mine`) : undefined,
      },
    });
    const [, shower] = pluginsOver({}).plugins;
    const server = await serverWith({ plugins: [own, shower!], config: { list: 'of the file' } });
    const client = await server.greeted();
    expect(await client.say('HELP list2')).toBe('500 of the file and mine');
    expect(await client.say('HELP list')).toBe('500 of the file and mine');
  });

  test('with a setting that is refused keeps the daemon from starting, and says who said so', async () => {
    const { plugins } = pluginsOver({ databytes: ['much'] });
    await expect(serverWith({ plugins })).rejects.toThrow(/databytes \(a plugin's hook config\): .*much/);
  });
});

describe('http_config', () => {
  test('takes files from web servers before the first client, the first that has one', async () => {
    const documents: Record<string, string> = {
      '/a/list': '# comment\r\n\r\n  of a  \r\nand more\r\n',
      '/b/list': 'of b',
      '/b/me': 'of-b.test',
    };
    const asked: string[] = [];
    const web = createServer((request, response) => {
      asked.push(request.url!);
      const text = documents[request.url!];
      response.writeHead(text === undefined ? 404 : 200).end(text);
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    const base = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
    try {
      const { plugins } = pluginsOver({});
      const server = await serverWith({ plugins: [`http_config ${base}/a/ ${base}/b/`, plugins[1]!] });
      expect(await banner(server)).toMatch(/^220 of-b\.test /);
      const client = await server.greeted();
      await expect.poll(() => client.say('HELP list'), { interval: 50 }).toBe('500 of a; and more');
      for (let time = 0; time < 20; time++) await client.say('HELP list');
      expect(asked.filter((url) => url === '/a/list')).toHaveLength(1);
    } finally {
      await new Promise((resolve) => web.close(resolve));
    }
  });

  test('leaves it to the files while no server answers', async () => {
    const { plugins } = pluginsOver({});
    const server = await serverWith({
      plugins: ['http_config http://127.0.0.1:1/', plugins[1]!],
      config: { list: 'of the file' },
    });
    const client = await server.greeted();
    expect(await client.say('HELP list')).toBe('500 of the file');
  });

  test('takes URLs only', async () => {
    await expect(serverWith({ plugins: ['http_config file:///etc/'] })).rejects.toThrow(/urls: must be URLs/);
  });
});

describe('a session', () => {
  test('numbers its transactions and ends what hooks have begun with it', async () => {
    const signals: AbortSignal[] = [];
    const { connectionTask, transactionTask } = await import('../../bindings/plugin/index.ts');
    const [forAll, forOne] = [connectionTask<undefined>('all'), transactionTask<undefined>('one')];
    const begin = (signal: AbortSignal): undefined => void signals.push(signal);
    const starter = definePlugin({
      name: 'starter',
      about: '',
      hooks: {
        connect: ({ tasks }) => tasks.start(forAll, begin),
        mail: ({ tasks }) => tasks.start(forOne, begin),
      },
    });
    const server = await serverWith({ plugins: [starter] });
    const client = await server.greeted();
    await client.say('MAIL FROM:<a@b.example>');
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
    await client.say('RSET');
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, true]);
    client.destroy();
    await expect.poll(() => signals[0]!.aborted).toBe(true);
  });
});
