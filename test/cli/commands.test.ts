import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { CHECK_OPTIONS } from '../../host/cli/check-command.ts';
import { optionsOf } from '../../host/cli/command-of-plugin.ts';
import { FORKSERVER_OPTIONS, FORKSERVER_REFUSED, qpsmtpdForkserver } from '../../host/cli/forkserver.ts';
import { ASYNC_OPTIONS, ASYNC_REFUSED, qpsmtpdAsync } from '../../host/cli/async.ts';
import karma from '../../plugins/karma/index.ts';
import { QUEUE_OPTIONS } from '../../host/cli/queue-command.ts';
import { COMMAND_PLUGINS, qpsmtpd } from '../../host/cli/main.ts';
import { pluginNames } from '../../host/hooks/plugin-finder.ts';
import { PREFORK_OPTIONS, PREFORK_REFUSED, qpsmtpdPrefork } from '../../host/cli/prefork.ts';
import { PLUGIN_OPTIONS } from '../../host/cli/plugin-command.ts';
import { runGuarded } from '../../host/cli/program.ts';
import { introduce, SAMPLE_OPTIONS, sampleFolder, sampleSettings } from '../../host/cli/sample-command.ts';
import { SERVE_OPTIONS } from '../../host/cli/serve-command.ts';
import { STORE_OPTIONS } from '../../host/cli/store-command.ts';
import { TLS_CERT_OPTIONS } from '../../host/cli/tls-cert-command.ts';
import { DKIM_KEY_OPTIONS } from '../../host/cli/dkim-key-command.ts';
import { ConfigError } from '../../host/errors/error-classes.ts';
import type { PluginDefinition } from '../../bindings/plugin/index.ts';
import { Logger } from '../../host/observe/logger.ts';
import type {
  Daemon,
  DaemonDescription,
  DaemonLoader,
  DaemonOptions,
  ServiceDescription,
} from '../../host/process/daemon.ts';
import { Rehearsal } from '../../host/errors/rehearsal.ts';
import { smtpDaemon } from '../../host/embed/smtp-daemon.ts';
import { folder } from '../message/folder.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** A loader that must not bind or serve: these commands only load. */
function loaderOf(load: (options: DaemonOptions) => DaemonDescription): DaemonLoader {
  const never = (): never => {
    throw new Error('not to be called here');
  };
  return {
    bind: never,
    clearStaleSockets: never,
    load: (options) => {
      const description = load(options);
      const daemon: Daemon = {
        logger: new Logger(0, () => undefined),
        listen: never,
        reload: never,
        reopenLogs: never,
        sockets: never,
        announceStop: never,
        workerTimeoutMs: 0,
        drain: () => Promise.resolve(),
        describe: () => description,
      };
      return Promise.resolve(daemon);
    },
  };
}

const describing = (
  plugins: readonly string[],
  settings: ServiceDescription['settings'] = [],
): DaemonDescription => ({
  services: [
    {
      service: undefined,
      plugins: plugins.map((name) => ({ ...NO_DETAILS, name })),
      orderFaults: [],
      settings,
      lookAround: () => Promise.resolve([]),
    },
  ],
  unreadFiles: () => [],
});
const NO_DETAILS = { about: '', hooks: [], file: undefined, options: {}, before: [], after: [] };

const EMPTY = loaderOf(() => describing([]));

async function run(
  args: readonly string[],
  loader: DaemonLoader = EMPTY,
  program = qpsmtpd,
): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal = { out: (line: string) => void out.push(line), err: (line: string) => void err.push(line) };
  const code = await runGuarded((words, to) => program(words, loader, to), args, terminal);
  return { code, out: out.join('\n'), err: err.join('\n') };
}

describe('qpsmtpd', () => {
  it('prints its version', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await run(['--version'])).toEqual({ code: 0, out: `qpsmtpd ${version}`, err: '' });
  });

  it.each([[['--help']], [['-h']], [['help']]])('lists its commands: %j', async (args) => {
    const { code, out } = await run(args);
    expect(code).toBe(0);
    for (const command of ['serve', 'check', 'sample', 'help COMMAND'])
      expect(out).toContain(`  ${command} `);
  });

  it('lists each command that a plugin of the server brings, with what it is about', async () => {
    const brought = new Map<string, string>();
    for (const name of pluginNames(join(ROOT, 'plugins'))) {
      const file = [`plugins/${name}.ts`, `plugins/${name}/index.ts`].find((path) =>
        existsSync(join(ROOT, path)),
      );
      const { default: definition } = (await import(join(ROOT, file!))) as { default: PluginDefinition };
      if (definition.command !== undefined) brought.set(name, definition.command.about);
    }
    expect([...brought.keys()]).toEqual(COMMAND_PLUGINS);
    const { out } = await run(['help']);
    for (const [name, about] of brought) expect(out).toMatch(new RegExp(`^  ${name} +${about}$`, 'm'));
  });

  it.each(['serve', 'check', 'sample', 'karma'])(
    'prints the same help for "help %s" and "%s --help"',
    async (command) => {
      const asked = await run(['help', command]);
      expect(asked.out).toContain(`usage: qpsmtpd ${command}`);
      expect(await run([command, '--help'])).toEqual(asked);
    },
  );

  it.each([
    [['krama'], '"krama" is no command of qpsmtpd (did you mean karma?); see qpsmtpd --help'],
    [['rcpt_ok'], '"rcpt_ok" is no command of qpsmtpd; see qpsmtpd --help'],
    [['../bin/x'], '"../bin/x" is no command of qpsmtpd; see qpsmtpd --help'],
    [['serv'], '"serv" is no command of qpsmtpd (did you mean serve?); see qpsmtpd --help'],
    [['help', 'chek'], '"chek" is no command of qpsmtpd (did you mean check?); see qpsmtpd --help'],
    [['--verzion'], 'unknown option --verzion (did you mean --version?)'],
    [['help', 'serve', 'check'], 'help takes one command'],
  ])('refuses %j with 64', async (args, message) => {
    expect(await run(args)).toEqual({ code: 64, out: '', err: message });
  });

  it('prints its commands and exits with 64 when it is given none', async () => {
    const { code, err } = await run([]);
    expect(code).toBe(64);
    expect(err).toContain('usage: qpsmtpd COMMAND');
  });
});

describe('a command that a plugin of the operator brings', () => {
  const VISITORS = `export default {
    name: 'visitors', about: '', hooks: {},
    command: {
      about: 'look at visitors', usage: 'list', help: 'what it prints', options: [{ name: 'all', help: 'also the old ones' }],
      async run({ positionals, option, print, misuse, services, openStore }) {
        const [action] = positionals;
        if (action === 'store') return void openStore('visitors');
        if (action !== 'list') throw misuse('visitors: "' + action + '" is no action', action, ['list']);
        print('all ' + JSON.stringify(option('all')) + ' ' + typeof services.system.hostName);
      },
    },
  };\n`;
  function configured(): string {
    const root = folder();
    writeFileSync(join(root, 'plugins'), 'visitors\n');
    writeFileSync(join(root, 'plugin_dirs'), `${root}\n`);
    writeFileSync(join(root, 'store_dir'), `${root}/store\n`);
    writeFileSync(join(root, 'visitors.mjs'), VISITORS);
    return root;
  }
  function as(user: number): void {
    const uid = vi.spyOn(process as { getuid: () => number }, 'getuid').mockReturnValue(user);
    onTestFinished(() => uid.mockRestore());
  }

  it('runs with its options, and ends as its errors say', async () => {
    as(1000);
    const root = configured();
    expect(await run(['visitors', 'list', '--all', '--config', root])).toEqual({
      code: 0,
      out: 'all "" string',
      err: '',
    });
    expect(await run(['visitors', 'lisst', '--config', root])).toEqual({
      code: 64,
      out: '',
      err: 'visitors: "lisst" is no action (did you mean list?)',
    });
    expect((await run(['visitors', '--al', '--config', root])).err).toContain('unknown option --al');
    expect((await run(['visitors', 'store', '--config', root])).err).toContain(
      `there is no store in ${root}/store yet`,
    );
    const { out } = await run(['visitors', '--help', '--config', root]);
    expect(out).toMatch(
      /^usage: qpsmtpd visitors list \[--config DIR\] \[--service NAME\]\n\nwhat it prints\n\noptions:\n.*--config DIR/,
    );
    expect(out).toMatch(/--all +also the old ones/);
  });

  it('is no command where its folder is not configured', async () => {
    as(1000);
    const root = folder();
    writeFileSync(join(root, 'plugins'), '');
    expect(await run(['visitors', 'list', '--config', root])).toEqual({
      code: 64,
      out: '',
      err: '"visitors" is no command of qpsmtpd; see qpsmtpd --help',
    });
  });

  it('does not run as root, whose rights the plugin would have', async () => {
    as(0);
    const root = configured();
    const { code, out, err } = await run(['visitors', 'list', '--config', root]);
    expect([code, out]).toEqual([77, '']);
    expect(err).toContain(`${root}/visitors.mjs is no plugin of this server`);
  });
});

describe('qpsmtpd check', () => {
  it('lists the plugins in order and the settings that are not at their defaults', async () => {
    const given: DaemonOptions[] = [];
    const loader = loaderOf((options) => {
      given.push(options);
      return describing(['relay', 'rcpt_ok'], [{ name: 'databytes', value: '1000000' }]);
    });
    const { code, out } = await run(['check', '--config', ROOT], loader);
    expect(code).toBe(0);
    expect(out).toBe(
      'the configuration is valid\n\n' +
        'plugins, in the order in which they are asked:\n   1  relay\n   2  rcpt_ok\n\n' +
        'settings that differ from the defaults:\n      databytes 1000000',
    );
    expect(given).toMatchObject([
      { configDir: ROOT, listen: [], services: [], rehearsal: expect.any(Rehearsal) as Rehearsal },
    ]);
  });

  it('lists Maildirs that two addresses could mean, also those of a route, and says what to do', async () => {
    const root = folder();
    const write = (name: string, text: string): void => writeFileSync(join(root, name), text);
    write('plugins', `rcpt_ok\nqueue/routes\n`);
    write('routes', `* maildir ${root}/mail %d/%l\n`);
    write('spool_dir', `${root}/spool\n`);
    for (const path of ['x/m_ller/new', 'x/a/new', 'y/o_brien/new'])
      mkdirSync(join(root, 'mail', path), { recursive: true });
    write('mail/y/o_brien/qpsmtpd-address', "o'brien@y\n");
    const { code, out } = await run(['check', '--config', root], smtpDaemon);
    expect(code).toBe(0);
    expect(out.split('\n').slice(-4)).toEqual([
      '',
      'Maildirs that two addresses could mean, because `_` stands for many characters:',
      `      ${root}/mail/x/m_ller`,
      'the first address that gets mail there keeps the folder, unless the file qpsmtpd-address in it names another',
    ]);
  });

  it('names a hundred of them', async () => {
    const root = folder();
    const mail = join(root, 'mail');
    for (let count = 0; count < 101; count++) mkdirSync(join(mail, `a_${count}`, 'new'), { recursive: true });
    writeFileSync(join(root, 'plugins'), `queue/maildir ${mail} %l\nqueue/maildir ${mail} %l\n`);
    writeFileSync(join(root, 'spool_dir'), `${root}/spool\n`);
    const { out } = await run(['check', '--config', root], smtpDaemon);
    const named = out.split('\n').filter((line) => line.startsWith(`      ${mail}/a_`));
    expect(new Set(named).size).toBe(100);
    expect(named).toHaveLength(100);
    expect(out).toContain(`${named.at(-1)}\n      and more\n`);
  });

  it('prints every error with file and line, no stack, and exits with 78', async () => {
    const loader = loaderOf(() => {
      throw new AggregateError([
        new ConfigError({ file: '/etc/q/databytes', line: 1 }, '"many" is no number'),
        new ConfigError({ file: '/etc/q/timeout', line: 2 }, 'too long', 'at most 3600'),
      ]);
    });
    expect(await run(['check', '--user', userInfo().username], loader)).toEqual({
      code: 78,
      out: '',
      err: '/etc/q/databytes:1: "many" is no number\n/etc/q/timeout:2: too long (at most 3600)',
    });
  });

  it('exits with 70 and a stack when the program itself is at fault', async () => {
    const loader = loaderOf(() => {
      throw new TypeError('cannot happen');
    });
    const { code, err } = await run(['check', '--user', userInfo().username], loader);
    expect(code).toBe(70);
    expect(err).toMatch(/^TypeError: cannot happen\n +at /);
  });
});

describe('qpsmtpd-prefork, qpsmtpd-forkserver and qpsmtpd-async', () => {
  it('print their help', async () => {
    expect((await run(['--help'], EMPTY, qpsmtpdPrefork)).out).toContain('usage: qpsmtpd-prefork');
    expect((await run(['-h'], EMPTY, qpsmtpdForkserver)).out).toContain('usage: qpsmtpd-forkserver');
    expect((await run(['-h'], EMPTY, qpsmtpdAsync)).out).toContain('usage: qpsmtpd-async');
  });

  it('print the version in the words of the Perl program', async () => {
    const { out } = await run(['--version'], EMPTY, qpsmtpdPrefork);
    expect(out).toMatch(/^Qpsmtpd Daemon - version \d+\.\d+\.\d+/);
  });
});

describe('qpsmtpd sample', () => {
  it('keeps the plugins of the sample and puts its own maildir in place of the queue', () => {
    const settings = sampleSettings(
      ['rcpt_ok', 'queue/smtp-forward 10.0.0.1', 'relay'],
      '/home/me/.qpsmtpd-sample',
    );
    expect(settings.get('plugins')).toEqual([
      'rcpt_ok',
      'relay',
      'queue/maildir /home/me/.qpsmtpd-sample/Maildir',
    ]);
    expect(settings.get('rcpthosts')).toEqual(['example.com', 'localhost']);
    expect(settings.get('spool_dir')).toEqual(['/home/me/.qpsmtpd-sample/spool']);
  });

  it('refuses a folder that would break the line of the plugin', () => {
    expect(sampleFolder('/home/me')).toBe('/home/me/.qpsmtpd-sample');
    expect(() => sampleFolder('/home/me/my mail')).toThrow(/cannot stand in the file "plugins"/);
  });

  it('says how to send a message to the address as bound, where it lands, and how to stop', () => {
    const text = introduce('listening on tcp://127.0.0.1:40123, 1 worker', '/home/me/.qpsmtpd-sample').join(
      '\n',
    );
    expect(text).toContain('swaks --server 127.0.0.1 --port 40123');
    expect(text).toContain('curl -sS smtp://127.0.0.1:40123');
    expect(text).toContain('/home/me/.qpsmtpd-sample/Maildir/new');
    expect(text).toContain('Ctrl-C');
  });
});

describe('docs/reference/command-line.md', () => {
  const text = readFileSync(join(ROOT, 'docs/reference/command-line.md'), 'utf8');
  const sections = new Map(text.split(/^## /m).map((section) => [section.split('\n', 1)[0], section]));

  it.each([
    ['qpsmtpd serve', SERVE_OPTIONS],
    ['qpsmtpd check', CHECK_OPTIONS],
    ['qpsmtpd sample', SAMPLE_OPTIONS],
    ['qpsmtpd tls-cert', TLS_CERT_OPTIONS],
    ['qpsmtpd dkim-key', DKIM_KEY_OPTIONS],
    ['qpsmtpd karma', optionsOf(karma.command!)],
    ['qpsmtpd queue', QUEUE_OPTIONS],
    ['qpsmtpd store', STORE_OPTIONS],
    ['qpsmtpd plugin', PLUGIN_OPTIONS],
    ['qpsmtpd-forkserver', [...FORKSERVER_OPTIONS, ...FORKSERVER_REFUSED]],
    ['qpsmtpd-async', [...ASYNC_OPTIONS, ...ASYNC_REFUSED]],
    ['qpsmtpd-prefork', [...PREFORK_OPTIONS, ...PREFORK_REFUSED]],
  ])('describes every option of %s', (heading, specs) => {
    const section = sections.get(heading) ?? '';
    for (const { name, short } of specs) {
      if (short !== undefined) expect(section).toContain(`\`-${short}\``);
      expect(section).toMatch(new RegExp(`\`--${name}[ \`]`));
    }
  });
});
