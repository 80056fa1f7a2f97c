/** Lines of Perl configurations: each name works, is an alias, or is named with what it is. */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LogLevel } from '../../bindings/plugin/index.ts';
import { PERL_FILES } from '../../host/hooks/perl-files.ts';
import { PERL_PLUGINS } from '../../host/hooks/perl-plugins.ts';
import { loadPlugins } from '../../host/hooks/plugin-loader.ts';
import { collectingLogger, fakeConfig, fakeServices } from './plugin-context.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'perl-plugins-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

async function load(...texts: string[]) {
  const { logger, lines: log } = collectingLogger(LogLevel.NOTICE);
  const environment = { config: fakeConfig({}), services: fakeServices({}), logger, pluginDirs: [root] };
  const lines = texts.map((text, index) => ({ text, place: { file: 'config/plugins', line: index + 1 } }));
  return { plugins: await loadPlugins(lines, environment), log };
}

const refusalOf = (text: string): Promise<string> =>
  load(text).then(
    () => 'nothing was wrong',
    (error: unknown) => (error as Error).message,
  );

const isBuilt = (name: string): boolean =>
  existsSync(`plugins/${name}.ts`) || existsSync(`plugins/${name}/index.ts`);

describe('the table', () => {
  test('calls built what is there, coming what is not, and leads aliases to either', () => {
    const wrong = [...PERL_PLUGINS].filter(([name, meaning]) => {
      if (meaning.kind === 'renamed')
        return isBuilt(name) || !['same', 'coming'].includes(PERL_PLUGINS.get(meaning.to)?.kind ?? '');
      return isBuilt(name) !== (meaning.kind === 'same');
    });
    expect(wrong.map(([name]) => name)).toEqual([]);
    expect(PERL_PLUGINS.size).toBeGreaterThan(90);
  });

  test('of files names readers that exist in it', () => {
    const wrong = [...PERL_FILES].filter(
      ([, { reader, effect }]) => effect === undefined && !PERL_PLUGINS.has(reader) && !isBuilt(reader),
    );
    expect(wrong).toEqual([]);
  });

  test('of files has every list that a plugin of this server reads', () => {
    const sources = readdirSync('plugins', { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => readFileSync(`plugins/${path}`, 'utf8'));
    const read = sources.flatMap((text) =>
      [...text.matchAll(/config\s*\.(?:value|lines|list|map)\('([^']+)'|\bFILE = '([^']+)'/g)].map(
        ([call, name, file]) => (call.includes('.map(') ? `${name}.cdb` : (name ?? file)!),
      ),
    );
    expect(read.length).toBeGreaterThan(20);
    // A setting of the server, which arc asks about as well.
    const isKnown = (name: string): boolean => PERL_FILES.has(name) || name === 'me-auth-results';
    expect(read.filter((name) => !isKnown(name))).toEqual([]);
  });
});

describe('an alias', () => {
  test.each([
    ['check_badmailfrom', 'badmailfrom', {}],
    ['check_badmailfromto', 'badmailfromto', {}],
    ['check_badrcptto', 'badrcptto', {}],
    ['check_earlytalker wait 10 action deny', 'earlytalker', { wait: 10, action: 'deny' }],
    ['check_loop 50', 'loop', { max_hops: 50 }],
    ['check_norelay', 'relay', {}],
    ['check_relay', 'relay', {}],
    ['check_spamhelo', 'helo', { policy: 'lenient' }],
    ['check_bogus_bounce deny', 'bogus_bounce', { action: 'deny' }],
    ['check_basicheaders', 'headers', { require: ['From', 'Date'], past: 0, future: 0 }],
    ['check_basicheaders 7', 'headers', { require: ['From', 'Date'], past: 7, future: 7 }],
    ['check_basicheaders days 7 reject_type temp', 'headers', { past: 7, future: 7 }],
    ['relay_only', 'relay', { only: true }],
    ['async/earlytalker', 'earlytalker', {}],
  ])('%s is %s, and one notice says so', async (line, name, options) => {
    const { plugins, log } = await load(line);
    expect(plugins[0]).toMatchObject({ name, isBuiltIn: true, options });
    expect(log).toEqual([`${name}: config/plugins:1: ${line.split(' ')[0]} is called ${name} now`]);
  });

  test('keeps the number of its instance', async () => {
    const { plugins } = await load('check_loop 50', 'check_loop:2 60');
    expect(plugins.map(({ name }) => name)).toEqual(['loop', 'loop:2']);
  });

  test('replaces the Perl plugin of Debian, with that one notice', async () => {
    writeFileSync(join(root, 'check_loop'), '#!perl -w\n');
    writeFileSync(join(root, 'loop'), '#!perl -w\n');
    const { plugins, log } = await load('check_loop');
    expect([plugins[0]!.name, log.length]).toEqual(['loop', 1]);
  });

  test("gives way to the operator's own plugin of either name", async () => {
    const own = `export default { name: 'x', about: 'mine', hooks: {} };\n`;
    writeFileSync(join(root, 'loop.js'), own);
    expect((await load('check_loop')).plugins[0]).toMatchObject({ name: 'loop', isBuiltIn: false });
    writeFileSync(join(root, 'check_loop.js'), own);
    expect((await load('check_loop')).plugins[0]).toMatchObject({ name: 'check_loop', isBuiltIn: false });
  });
});

describe('a name without a plugin', () => {
  test('that is not built yet says so, what to do, and what is lost', async () => {
    // The Perl file is found and must not hide what is known of the name.
    writeFileSync(join(root, 'dspam'), '#!perl -w\n');
    expect(await refusalOf('dspam reject naughty')).toBe(
      'config/plugins:1: plugin dspam of qpsmtpd is not built into this server yet (comment the line out to start without it: dspam judges no message meanwhile)',
    );
    mkdirSync(join(root, 'virus'));
    writeFileSync(join(root, 'virus/clamdscan'), '#!perl -w\n');
    expect(await refusalOf('virus/clamdscan')).toContain('scans no message for viruses meanwhile');
  });

  test.each([
    ['check_badrcptto_patterns', 'move the lines of the file badrcptto_patterns to badrcptto'],
    ['karma_tool', '`qpsmtpd karma --help`'],
    ['tls_cert', '`qpsmtpd tls-cert` makes a certificate'],
  ])('that is replaced says by what: %s', async (name, remedy) => {
    expect(await refusalOf(name)).toContain(`config/plugins:1: there is no plugin ${name} here (`);
    expect(await refusalOf(name)).toContain(remedy);
  });

  test('that is misspelt is told the name of today, also for one that is coming', async () => {
    expect(await refusalOf('check_erlytalker')).toContain('did you mean earlytalker?');
    expect(await refusalOf('spamassasin')).toContain('did you mean spamassassin?');
  });

  test('that nobody knows says how to begin one', async () => {
    const message = await refusalOf('our_very_own_thing');
    expect(message).toContain('Plugin our_very_own_thing not found in our plugin dirs (');
    expect(message).toMatch(/\(`qpsmtpd plugin new` begins one of your own\)$/);
    writeFileSync(join(root, 'our_very_own_thing'), '#!perl -w\n');
    expect(await refusalOf('our_very_own_thing')).toContain('`qpsmtpd plugin new`');
  });
});
