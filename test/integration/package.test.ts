/** The package as users get it: packed, installed from the registry's dependencies, and run from there. */

import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openRedis } from '../../host/store/redis-backend.ts';
import { fakeBroker, type Published } from '../delivery/fake-broker.ts';
import { makeMmdb } from '../plugins/tiny-mmdb.ts';
import { AS_OURSELVES, LineClient, RunningProgram } from '../process/running-program.ts';
import { hasRedis, redisPlace } from '../store/backends.ts';
import { Workplace } from './daemon.ts';

const ROOT = resolve(import.meta.dirname, '../..');

const { peerDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  peerDependencies: Record<string, string>;
};
const PEERS = Object.keys(peerDependencies);

let folder: string;
let installed: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-package-'));
  const npm = (...words: string[]): string => execFileSync('npm', words, { cwd: folder, encoding: 'utf8' });
  const packed = JSON.parse(npm('pack', ROOT, '--ignore-scripts', '--json')) as [{ filename: string }];
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  npm('install', `./${packed[0].filename}`, '--no-audit', '--no-fund');
  installed = join(folder, 'node_modules/qpsmtpd');
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const versionIn = (manifest: string): string =>
  (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;

test('brings the native modules that the lock file names, which are those that were tested', () => {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string }>;
  };
  for (const name of ['lmdb', 'msgpackr-extract']) {
    const version = versionIn(join(folder, 'node_modules', name, 'package.json'));
    expect(`${name} ${version}`).toBe(`${name} ${packages[`node_modules/${name}`]?.version}`);
  }
});

/** 39 MB at the end of 2026; docs/decisions/0011-what-may-be-depended-on.md says what weighs. */
test('is at most 42 MB with all it depends on', () => {
  const modules = join(folder, 'node_modules');
  const sizes = readdirSync(modules, { recursive: true, encoding: 'utf8' })
    .map((file) => lstatSync(join(modules, file)))
    .map((facts) => (facts.isFile() ? facts.size : 0));
  const octets = sizes.reduce((sum, size) => sum + size, 0);
  expect(octets).toBeGreaterThan(10_000_000);
  expect(octets).toBeLessThanOrEqual(42_000_000);
});

test('declares its types without those of packages that need not be there', () => {
  const { exports } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    exports: Record<string, string>;
  };
  const toRead = Object.values(exports)
    .filter((target) => target.endsWith('.js') && !target.includes('*'))
    .map((target) => join(installed, target.replace(/\.js$/, '.d.ts')));
  const packages = new Set<string>();
  // The list grows while it is walked through.
  const seen = new Set(toRead);
  for (const file of seen) {
    for (const [, name] of readFileSync(file, 'utf8').matchAll(/\b(?:from |import\()['"]([^'"]+)['"]/g)) {
      if (name!.startsWith('.')) seen.add(join(dirname(file), name!.replace(/\.[jt]s$/, '.d.ts')));
      else packages.add(name!);
    }
  }
  expect(seen.size).toBeGreaterThan(20);
  expect(packages).toContain('zod');
  expect([...packages].filter((name) => PEERS.includes(name))).toEqual([]);
});

test('has neither source maps without sources nor tests', () => {
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
  expect(files.filter((file) => /\.map$|\.test\.|(^|\/)test\//.test(file))).toEqual([]);
  const pointing = files.filter(
    (file) =>
      file.endsWith('.js') && readFileSync(join(installed, file), 'utf8').includes('sourceMappingURL'),
  );
  expect(pointing).toEqual([]);
});

test('has nothing left to build: npm runs `prepare` in it, for `npm link`, without a compiler', () => {
  const { status, stderr } = spawnSync('npm', ['run', 'prepare'], { cwd: installed, encoding: 'utf8' });
  expect(`${status} ${stderr}`).toMatch(/^0 /);
});

/** `import()` has a parser that chokes on it, `const` another, and 18 reads everything and then misses a function. */
describe.each(['0.12', '12', '18'])('on Node %s', (version) => {
  let node: string;
  beforeAll(() => {
    const own = join(folder, `node-${version}`);
    mkdirSync(own);
    writeFileSync(join(own, 'package.json'), '{ "private": true }');
    execFileSync('npm', ['install', `node@${version}`, '--no-audit', '--no-fund'], { cwd: own });
    node = join(own, 'node_modules/node/bin/node');
  }, 300_000);

  test.each(['qpsmtpd', 'qpsmtpd-async', 'qpsmtpd-forkserver', 'qpsmtpd-prefork'])(
    '%s says which it needs',
    (program) => {
      const link = join(folder, 'node_modules/.bin', program);
      const { status, stdout, stderr } = spawnSync(node, [link, '--help'], { encoding: 'utf8' });
      expect(stderr).toMatch(
        new RegExp(`^qpsmtpd needs Node 20\\.19 or newer, this is ${version}\\.[\\d.]+ \\(.*/node\\)\n$`),
      );
      expect(`${status} ${stdout}`).toBe('69 ');
    },
  );
});

/** docs/decisions/0017: its package asks for a newer Node, the parts of it that are bundled must not. */
describe('the bundled mailauth', () => {
  test('runs on the oldest Node that is served', () => {
    const own = join(folder, 'node-oldest');
    mkdirSync(own);
    writeFileSync(join(own, 'package.json'), '{ "private": true }');
    execFileSync('npm', ['install', 'node@20.19.0', '--no-audit', '--no-fund'], { cwd: own });
    const code = `
      import { readdirSync } from 'node:fs';
      const folder = ${JSON.stringify(join(installed, 'dist/plugins/mailauth/'))};
      const files = readdirSync(folder).filter((name) => name.endsWith('.js'));
      const parts = await Promise.all(files.map(async (name) => [name, await import(folder + name)]));
      const { checkHost } = Object.fromEntries(parts)['spf.js'];
      const resolver = async () => [['v=spf1 ip4:192.0.2.0/24 -all']];
      const asked = { ip: '192.0.2.1', sender: 'a@b.example', helo: 'c.example', receiver: 'd.example', resolver };
      console.log(process.version, (await checkHost(asked)).result);`;
    const node = join(own, 'node_modules/node/bin/node');
    const { stdout, stderr } = spawnSync(node, ['--input-type=module', '-e', code], { encoding: 'utf8' });
    expect(`${stdout}${stderr}`).toBe('v20.19.0 pass\n');
  }, 300_000);

  test('comes with its licences, and brings no package along', () => {
    const licences = readFileSync(join(installed, 'dist/plugins/mailauth/LICENSES.txt'), 'utf8');
    expect(licences).toMatch(/^mailauth 7\.1\.0\n\n.*\n?.*Permission is hereby granted/ms);
    const modules = readdirSync(join(folder, 'node_modules'));
    for (const name of ['mailauth', 'undici', 'joi', 'libmime']) expect(modules).not.toContain(name);
  });

  test('is in no type that a plugin of the package exports', () => {
    const files = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' });
    const typed = files.filter((file) => file.endsWith('.d.ts') && !/^plugins[/\\]mailauth[/\\]/.test(file));
    expect(typed.length).toBeGreaterThan(100);
    const naming = typed.filter((file) =>
      /['"]mailauth(?:\/|['"])/.test(readFileSync(join(installed, 'dist', file), 'utf8')),
    );
    expect(naming).toEqual([]);
  });
});

test('loads a plugin that lies anywhere and imports qpsmtpd/plugin, without a link', () => {
  const site = join(folder, 'site');
  const config = join(folder, 'config');
  mkdirSync(site);
  mkdirSync(config);
  const code = `import { definePlugin, z } from 'qpsmtpd/plugin';
import { part } from './part.js';
export default definePlugin({ name: 'elsewhere', about: part, options: z.object({}), hooks: { connect() {} } });\n`;
  writeFileSync(join(site, 'elsewhere.mjs'), code);
  writeFileSync(join(site, 'part.js'), "import 'qpsmtpd/plugin';\nexport const part = 'From elsewhere.';\n");
  writeFileSync(join(site, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(config, 'me'), 'mx.test\n');
  writeFileSync(join(config, 'plugin_dirs'), `${site}\n`);
  writeFileSync(join(config, 'plugins'), `elsewhere\nqueue/maildir ${folder}/Maildir\n`);
  const program = join(folder, 'node_modules/.bin/qpsmtpd');
  const { status, stdout, stderr } = spawnSync(program, ['plugin', 'list', '--config', config], {
    encoding: 'utf8',
  });
  expect(`${status} ${stderr}`).toBe('0 ');
  expect(stdout).toContain('elsewhere');
});

/** What is asked for, the files that ask for it, the line that does, and the package it needs. */
const ASKING: readonly (readonly [string, Record<string, string>, string, string])[] = [
  [
    'queue/amqp',
    { plugins: 'rcpt_ok\nqueue/amqp amqp://127.0.0.1:1/ inbound' },
    'plugins:2: queue/amqp: could not be set up: ',
    'amqplib@2.3.1',
  ],
  [
    'queue/amqp in routes',
    { plugins: 'queue/routes', routes: '\n* amqp amqp://127.0.0.1:1/ inbound' },
    'routes:2: queue/amqp: could not be set up: ',
    'amqplib@2.3.1',
  ],
  ['the store on Redis', { store: 'redis://127.0.0.1:1/0' }, 'store:1: ', '@redis/client@6.3.1'],
  [
    'a store on Redis for one plugin',
    { plugins: 'greylisting redis 127.0.0.1:1' },
    'plugins:1: greylisting: could not be set up: ',
    '@redis/client@6.3.1',
  ],
  [
    'ident/geoip',
    { plugins: 'ident/geoip' },
    'plugins:1: ident/geoip: could not be set up: ',
    'maxmind@5.0.7',
  ],
  [
    'a listener for HTTP',
    { listeners: 'http://127.0.0.1:0 upgrade=smtp' },
    'listeners:1: ',
    'fastify@5.12.8',
  ],
];
const LISTEN = ['--listen', 'tcp://127.0.0.1:0', ...AS_OURSELVES];

describe('packages that only some configurations need', () => {
  test('do not come by themselves', () => {
    expect(PEERS.length).toBeGreaterThanOrEqual(3);
    expect(PEERS.filter((name) => existsSync(join(folder, 'node_modules', name)))).toEqual([]);
  });

  test.each(ASKING)('%s without its package is no start: where and what to do', (_, files, line, wanted) => {
    const site = new Workplace(files);
    try {
      for (const words of [
        ['check', '--config', site.config, ...AS_OURSELVES],
        ['serve', '--config', site.config, ...LISTEN, '--workers', '1'],
        ['serve', '--config', site.config, ...LISTEN, '--workers', '2'],
      ]) {
        const program = join(folder, 'node_modules/.bin/qpsmtpd');
        const { status, stderr } = spawnSync(program, words, { encoding: 'utf8', timeout: 60_000 });
        const name = wanted.slice(0, wanted.lastIndexOf('@'));
        const said = `the package ${name} is not installed (run \`npm install ${wanted}\` in ${folder})`;
        expect(`${status} ${stderr}`).toBe(`78 ${site.config}/${line}${said}\n`);
      }
    } finally {
      site.remove();
    }
  });
});

describe('a daemon that runs while they are installed', () => {
  let own: string;
  let site: Workplace;
  beforeAll(() => {
    own = mkdtempSync(join(tmpdir(), 'qpsmtpd-package-'));
    for (const part of ['node_modules', 'package.json', 'package-lock.json'])
      cpSync(join(folder, part), join(own, part), { recursive: true, verbatimSymlinks: true });
    site = new Workplace({ loglevel: '6' });
  });
  afterAll(() => {
    rmSync(own, { recursive: true, force: true });
    site.remove();
  });

  test.runIf(hasRedis)('says what is missing at a reload, and works with it after the next', async () => {
    const published: Published[] = [];
    const { port } = await fakeBroker((publication, end) => {
      published.push(publication);
      end.ack(publication.tag);
    });
    const redis = await redisPlace();
    onTestFinished(() => redis.remove());
    const entry = join(own, 'node_modules/qpsmtpd/bin/qpsmtpd.cjs');
    const words = ['serve', '--config', site.config, '--listen', 'tcp://127.0.0.1:0', '--workers', '1'];
    const daemon = new RunningProgram(entry, words);
    onTestFinished(() => daemon.dispose());
    const listening = await daemon.port();
    writeFileSync(join(own, 'GeoLite2-City.mmdb'), makeMmdb('GeoLite2-City', { '198.51.100.0/24': {} }));
    const geoip = `ident/geoip db_dir ${own} distance 192.0.2.1`;
    const amqp = `queue/amqp amqp://127.0.0.1:${port}/ inbound`;
    const store = `redis://127.0.0.1:${redis.port}/0`;
    site.write({ plugins: [geoip, 'greylisting reject 0', 'rcpt_ok', amqp].join('\n'), store });
    daemon.kill('SIGHUP');
    await daemon.err.find(/reload failed, .* the package @redis\/client is not installed/);
    const wanted = [...new Set(ASKING.map(([, , , spec]) => spec))];
    execFileSync('npm', ['install', ...wanted, '--no-audit', '--no-fund'], { cwd: own });
    daemon.kill('SIGHUP');
    await daemon.err.find(/configuration read again/);
    // The database was read, and has no place for this host.
    await daemon.err.find(/no record for my Geo::IP location/);
    await sendTo(listening);
    expect(published.map(({ routingKey }) => routingKey)).toEqual(['inbound']);
    expect(await keysAt(store)).toEqual([expect.stringMatching(/^greylist/)]);
  });
});

async function sendTo(port: number): Promise<void> {
  const client = new LineClient(port);
  try {
    expect(await client.reply()).toMatch(/^220 /);
    expect(await client.say('HELO client.example')).toMatch(/^250 /);
    expect(await client.say('MAIL FROM:<a@b.example>')).toMatch(/^250 /);
    expect(await client.say('RCPT TO:<c@example.test>')).toMatch(/^250 /);
    expect(await client.say('DATA')).toMatch(/^354 /);
    expect(await client.say('Subject: one\r\n\r\ntext\r\n.')).toMatch(/^250 /);
  } finally {
    client.close();
  }
}

async function keysAt(url: string): Promise<string[]> {
  const backend = await openRedis(url);
  const found: string[] = [];
  for await (const keys of backend.keys('')) found.push(...keys);
  await backend.close();
  return found;
}
