import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LogLevel } from '../../bindings/plugin/index.ts';
import { PluginErrors } from '../../host/errors/error-classes.ts';
import { pluginNames } from '../../host/hooks/plugin-finder.ts';
import { loadPlugins } from '../../host/hooks/plugin-loader.ts';
import { fakeSystem } from './fake-system.ts';
import { collectingLogger, fakeConfig, fakeServices } from './plugin-context.ts';
import { withoutRoot } from '../without-root.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'plugins-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const PLUGIN = `export default { name: 'x', about: '', hooks: { connect() {} } };\n`;

function write(path: string, text = PLUGIN): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** A list some plugin keeps. */
const MAP = { lines: ['a@b.example OK'], refresh: () => undefined };

async function load(texts: string[], dirs = ['a', 'b']) {
  const { logger, lines: log } = collectingLogger(LogLevel.NOTICE);
  const environment = {
    config: fakeConfig({ files: { routes: ['* discard'], srs_keys: ['a-key-of-16-octets'] } }),
    services: fakeServices({
      programs: { ...fakeServices().programs, isExecutable: () => true },
      files: { ...fakeSystem().files, keep: () => MAP },
    }),
    logger,
    pluginDirs: dirs.map((dir) => join(root, dir)),
  };
  const lines = texts.map((text, index) => ({ text, place: { file: 'config/plugins', line: index + 1 } }));
  return { plugins: await loadPlugins(lines, environment), log };
}

const failure = async (texts: string[]): Promise<Error & { code?: string }> => {
  try {
    await load(texts);
  } catch (cause) {
    return cause as Error;
  }
  throw new Error('nothing was wrong');
};

describe('found', () => {
  test('every plugin of the source tree loads under the name of its file', async () => {
    const words: Record<string, string> = {
      http_config: ' http://127.0.0.1/',
      'ident/p0f': ' /run/p0f',
      'logging/file': ' /var/log/qpsmtpd',
      'queue/amqp': ' amqp://127.0.0.1/ mail',
      'queue/exim-bsmtp': ' exim_path /bin/true',
      'queue/lmtp': ' 127.0.0.1',
      'queue/maildir': ' /mail',
      'queue/pipe': ' /bin/true',
      'queue/qmqp': ' 127.0.0.1:628',
      'queue/quarantine': ' maildir /held',
      'queue/cut-through': ' 127.0.0.1',
      'queue/smtp-forward': ' 127.0.0.1',
      'queue/spool': ' /var/spool/outgoing via discard',
      'queue/srs': ' via discard',
      'queue/webhook': ' http://127.0.0.1/',
      rcpt_map: ' domain b.example file /map',
    };
    const names = pluginNames('plugins');
    expect(names.length).toBeGreaterThanOrEqual(60);
    for (const name of names) {
      const { plugins } = await load([name + (words[name] ?? '')]);
      expect(plugins[0]!.definition.name).toBe(name);
      expect(plugins[0]!.definition.about).toMatch(/\.$/);
    }
  });

  test('the first directory wins, and any of them wins over the plugins of the server', async () => {
    const first = write('a/rcpt_ok.js', PLUGIN.replace("about: ''", "about: 'first'"));
    write('b/rcpt_ok.mjs', PLUGIN.replace("about: ''", "about: 'second'"));
    const about = async (): Promise<string> => (await load(['rcpt_ok'])).plugins[0]!.definition.about;
    expect(await about()).toBe('first');
    rmSync(first);
    expect(await about()).toBe('second');
    rmSync(join(root, 'b/rcpt_ok.mjs'));
    expect(await about()).toMatch(/rcpthosts/);
  });

  test('a folder with index.js is a plugin, and names may have folders in front', async () => {
    write('a/greet/index.js');
    write('a/local/deep/one.js');
    const { plugins } = await load(['greet', 'local/deep/one']);
    expect(plugins.map(({ name }) => name)).toEqual(['greet', 'local/deep/one']);
  });

  test('a second instance has options and a name of its own', async () => {
    const { plugins } = await load(['count_unrecognized_commands 3', 'count_unrecognized_commands:2 max 9']);
    expect(plugins.map(({ name, options }) => [name, options])).toEqual([
      ['count_unrecognized_commands', { max: 3 }],
      ['count_unrecognized_commands:2', { max: 9 }],
    ]);
  });

  test('a package of npm, by `npm:` and its name, or by a name that says what it is', async () => {
    const place = (name: string, manifest: object, files: Record<string, string>): void => {
      write(`node_modules/${name}/package.json`, JSON.stringify({ name, type: 'module', ...manifest }));
      for (const [file, about] of Object.entries(files)) {
        write(`node_modules/${name}/${file}`, PLUGIN.replace("about: ''", `about: '${about}'`));
      }
    };
    place('qpsmtpd-plugin-main', { main: 'lib/main.js' }, { 'lib/main.js': 'main' });
    place('qpsmtpd-plugin-index', {}, { 'index.js': 'index' });
    place(
      '@site/greet.er',
      { exports: { '.': { types: './x.d.ts', import: './import.js' } }, main: 'main.js' },
      { 'import.js': 'exports', 'main.js': 'main' },
    );
    const { plugins } = await load([
      'qpsmtpd-plugin-main',
      'npm:qpsmtpd-plugin-index:2',
      'npm:@site/greet.er',
    ]);
    expect(plugins.map(({ name, definition, isBuiltIn }) => [name, definition.about, isBuiltIn])).toEqual([
      ['qpsmtpd-plugin-main', 'main', false],
      ['npm:qpsmtpd-plugin-index:2', 'index', false],
      ['npm:@site/greet.er', 'exports', false],
    ]);
  });

  test('a file in a directory of plugins wins over a package of the same name', async () => {
    write('node_modules/qpsmtpd-plugin-x/package.json', '{ "type": "module" }');
    write('node_modules/qpsmtpd-plugin-x/index.js');
    write('a/qpsmtpd-plugin-x.js', PLUGIN.replace("about: ''", "about: 'mine'"));
    expect((await load(['qpsmtpd-plugin-x'])).plugins[0]!.definition.about).toBe('mine');
  });

  test('plugins of the server are known as such, others are not', async () => {
    write('a/mine.js');
    const { plugins } = await load(['rcpt_ok', 'mine']);
    expect(plugins.map(({ isBuiltIn }) => isBuiltIn)).toEqual([true, false]);
  });

  test('a Perl plugin gives way to the plugin of the same name, and the log says so', async () => {
    const path = write('a/badmailfrom', '#!perl -w\nsub hook_mail {}\n');
    const { plugins, log } = await load(['badmailfrom']);
    expect(plugins).toHaveLength(1);
    expect(log).toEqual([`badmailfrom: ${path} is a Perl plugin: using badmailfrom of this server instead`]);
  });
});

describe('refused', () => {
  test('an unknown plugin, with the directories that were searched and the nearest name', async () => {
    const { code, message } = await failure(['badmailform']);
    expect(code).toBe('Q_PLUGIN_NOT_FOUND');
    expect(message).toContain('config/plugins:1: Plugin badmailform not found in our plugin dirs (');
    expect(message).toContain(`${join(root, 'a')}, ${join(root, 'b')}, `);
    expect(message).toContain('did you mean badmailfrom?');
  });

  test('names in folders are suggested too', async () => {
    write('b/local/greeting.js');
    expect((await failure(['local/greting'])).message).toContain('did you mean local/greeting?');
    expect((await failure(['queue/maildri'])).message).toContain('did you mean queue/maildir?');
  });

  test('a package that is not there, or exports no file, or leads out of itself', async () => {
    expect((await failure(['npm:@site/none'])).message).toMatch(
      /^config\/plugins:1: Package @site\/none not found from .*run `npm install @site\/none`/,
    );
    write('node_modules/qpsmtpd-plugin-empty/package.json', '{ "exports": { "./other": "./other.js" } }');
    expect((await failure(['qpsmtpd-plugin-empty'])).message).toContain('exports no file');
    write('evil.js');
    write('node_modules/qpsmtpd-plugin-evil/package.json', '{ "main": "../../evil.js" }');
    expect((await failure(['qpsmtpd-plugin-evil'])).message).toContain('exports no file');
    for (const name of ['npm:../evil', 'npm:', 'npm:@a/b/c', 'npm:x y']) {
      expect((await failure([name])).message, name).toMatch(/is no plugin name|not found/);
    }
  });

  test('a Perl plugin that has no counterpart', async () => {
    const path = write('b/my_site_plugin', '#!perl -w\n');
    const { code, message } = await failure(['my_site_plugin']);
    expect(code).toBe('Q_PLUGIN_NOT_FOUND');
    expect(message).toContain(`${path} is a Perl plugin, and no plugin of this server has that name`);
  });

  test.each([
    ['throws', `throw new Error('no database');`, /can't be loaded: no database/],
    ['has a syntax error', 'export default {', /can't be loaded: /],
    ['imports what is not there', `import 'not-a-package';`, /can't be loaded: /],
    ['has no default export', `export const a = 1;`, /no default export made by definePlugin/],
    ['exports something else', `export default () => 1;`, /no default export made by definePlugin/],
    [
      'has options that are no schema',
      `export default { name: 'x', options: {}, hooks: {} };`,
      /no default export/,
    ],
    [
      'throws at set-up',
      `export default { name: 'x', hooks() { throw new Error('no key'); } };`,
      /set up: no key/,
    ],
    ['has hooks that come later', `export default { name: 'x', async hooks() { return {}; } };`, /at once/],
    [
      'has an unknown hook',
      `export default { name: 'x', hooks: { mial() {} } };`,
      /Invalid hook: mial, did you mean mail\?/,
    ],
    [
      'has a hook that is no function',
      `export default { name: 'x', hooks: { mail: 1 } };`,
      /hook mail is no function/,
    ],
  ])('a file that %s', async (_, text, problem) => {
    write('a/broken.js', text);
    const { code, message, cause } = await failure(['rcpt_ok', 'broken']);
    expect(code).toBe('Q_PLUGIN_LOAD');
    expect(message).toMatch(/^config\/plugins:2: broken: /);
    expect(message).toMatch(problem);
    if (message.includes("can't be loaded")) {
      expect(message).toContain(join(root, 'a/broken.js'));
      expect(cause).toBeInstanceOf(Error);
    }
  });

  test('a file that may not be read', async () => {
    chmodSync(write('a/secret.js'), 0);
    await withoutRoot(root, async () => {
      const { code, message } = await failure(['secret']);
      expect(code).toBe('Q_PLUGIN_LOAD');
      expect(message).toContain(`${join(root, 'a/secret.js')} can't be loaded: EACCES`);
    });
  });

  test('names that lead out of the plugin directories, though the file is there', async () => {
    write('evil.js');
    for (const name of ['../evil', join(root, 'evil'), 'x/../../evil']) {
      expect((await failure([name])).message, name).toContain('is no plugin name');
    }
  });

  test('all lines that are wrong are named at once, with their numbers', async () => {
    const error = await failure(['nowhere_to_be_found', 'rcpt_ok', 'badmailfrom reject 7', 'queue/maildir']);
    expect(error).toBeInstanceOf(PluginErrors);
    expect(error.message.split('\n').map((line) => line.split(':').slice(0, 2).join(':'))).toEqual([
      'config/plugins:1',
      'config/plugins:3',
      'config/plugins:4',
    ]);
  });
});
