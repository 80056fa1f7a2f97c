import { mkdirSync, readFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Settings, type SettingValues } from '../../host/settings/settings.ts';
import { SETTINGS } from '../../host/settings/settings-table.ts';
import { settingRows } from '../../host/reference/reference-tables.ts';
import { ConfigError } from '../../host/errors/error-classes.ts';
import { open, put, rememberingLog, scratch, type RememberedLog } from './scratch.ts';

interface Opened {
  readonly directory: string;
  readonly settings: Settings;
  readonly log: RememberedLog;
  reread(): void;
}

function settingsOf(files: Record<string, string>): Opened {
  const directory = put(scratch(), files);
  const { config } = open([directory]);
  const log = rememberingLog();
  return { directory, settings: new Settings(config, log), log, reread: () => config.reread() };
}

describe('the settings of the core', () => {
  test('have defaults', () => {
    const { settings, log } = settingsOf({});
    expect(settings.current).toMatchObject({
      me: 'host.example',
      authservId: 'host.example',
      smtpGreeting: undefined,
      databytes: 0,
      sizeThreshold: 1_048_576,
      spoolDirectory: join(tmpdir(), `qpsmtpd-spool-${process.getuid!()}`),
      spoolMode: 0o700,
      commandTimeoutMs: 1_200_000,
      dataTimeoutMs: 1_200_000,
      logLevel: 4,
      logging: [],
      replyStyle: 'classic',
      tlsBeforeAuth: false,
    } satisfies Partial<SettingValues>);
    expect(() => settings.check()).not.toThrow();
    expect(log.errors).toEqual([]);
  });

  test.each<[string, string, keyof SettingValues, unknown]>([
    ['me', 'mx.example', 'me', 'mx.example'],
    ['me', 'mx.bücher.example', 'me', 'mx.xn--bcher-kva.example'],
    ['me', 'mx.example', 'authservId', 'mx.example'],
    ['me-auth-results', 'auth.example', 'authservId', 'auth.example'],
    ['me-auth-results', 'none', 'authservId', undefined],
    ['smtpgreeting', 'hello there', 'smtpGreeting', 'hello there'],
    ['databytes', '20000', 'databytes', 20_000],
    ['size_threshold', '0', 'sizeThreshold', 0],
    ['spool_dir', '/var/spool/qpsmtpd/', 'spoolDirectory', '/var/spool/qpsmtpd'],
    ['spool_dir', '~/tmp/', 'spoolDirectory', join(homedir(), 'tmp/')],
    ['spool_dir', 'spool', 'spoolDirectory', resolve('spool')],
    ['spool_perms', '0750', 'spoolMode', 0o750],
    ['timeout', '60', 'commandTimeoutMs', 60_000],
    ['timeout', '60', 'dataTimeoutMs', 60_000],
    ['timeoutsmtpd', '30', 'commandTimeoutMs', 30_000],
    ['timeoutsmtpd', '30', 'dataTimeoutMs', 1_200_000],
    ['loglevel', '7', 'logLevel', 7],
    ['loglevel', 'LOGINFO', 'logLevel', 6],
    ['reply_style', 'enhanced', 'replyStyle', 'enhanced'],
    ['tls_before_auth', '1', 'tlsBeforeAuth', true],
    ['tls_before_auth', 'off', 'tlsBeforeAuth', false],
  ])('%s %s', (file, text, name, expected) => {
    const { settings } = settingsOf({ [file]: `# comment\n${text}\n` });
    settings.check();
    expect(settings.current[name]).toEqual(expected);
  });

  test('timeoutsmtpd wins over timeout between commands', () => {
    const { commandTimeoutMs, dataTimeoutMs } = settingsOf({ timeoutsmtpd: '5', timeout: '7' }).settings
      .current;
    expect([commandTimeoutMs, dataTimeoutMs]).toEqual([5_000, 7_000]);
  });

  test('logging has all its lines with their places', () => {
    const { directory, settings } = settingsOf({ logging: 'logging/warn 6\n\nlogging/file x\n' });
    const file = join(directory, 'logging');
    expect(settings.current.logging).toEqual([
      { text: 'logging/warn 6', place: { file, line: 1 } },
      { text: 'logging/file x', place: { file, line: 3 } },
    ]);
  });

  test.each([
    ['me', 'two words', 'is not a host name'],
    ['me-auth-results', 'a;b', 'is not a single word'],
    ['smtpgreeting', 'bell \u0007', 'contains control characters'],
    ['smtpgreeting', 'x'.repeat(501), 'longer than 500 octets'],
    ['databytes', '20 MB', 'is not a whole number of octets from 0 to'],
    ['databytes', '-1', 'is not a whole number'],
    ['databytes', '1.5', 'is not a whole number'],
    ['size_threshold', '2000000000', 'from 0 to 1073741824'],
    ['spool_dir', '~other/tmp', 'write the path out'],
    ['spool_dir', '/var/\u0000x', 'control characters'],
    ['spool_perms', '0070', 'is not an octal mode'],
    ['spool_perms', '789', 'is not an octal mode'],
    ['timeout', '0', 'is not a whole number of seconds from 1 to 86400'],
    ['loglevel', '8', 'is not a log level'],
    ['reply_style', 'Classic', 'is none of classic, enhanced'],
  ])('%s %j is refused at start with its place', (file, text, problem) => {
    const { directory, settings } = settingsOf({ [file]: `\n${text}\n` });
    expect(() => settings.check()).toThrow(ConfigError);
    expect(() => settings.check()).toThrow(`${directory}/${file}:2: `);
    expect(() => settings.check()).toThrow(problem);
  });

  test('a file that can not be read is refused at start', () => {
    const { directory, settings } = settingsOf({});
    mkdirSync(join(directory, 'databytes'));
    expect(() => settings.check()).toThrow("databytes: can't be read (EISDIR)");
  });

  test('all problems are named, each once', () => {
    const { settings } = settingsOf({ timeout: 'x', databytes: 'y' });
    expect(settings.problems().map(({ place }) => place.file.split('/').at(-1))).toEqual([
      'databytes',
      'timeout',
    ]);
  });

  test('a bad value at first use is logged once and the default used', () => {
    const { directory, settings, log, reread } = settingsOf({ databytes: 'lots\n' });
    expect([settings.current.databytes, settings.current.databytes]).toEqual([0, 0]);
    reread();
    expect(settings.current.databytes).toBe(0);
    expect(log.errors).toHaveLength(1);
    expect(log.errors[0]).toMatch(`${directory}/databytes:1: 'lots' is not`);
  });

  test('a mistake made while running does not lift a limit: the value before it stays', () => {
    const { directory, settings, log, reread } = settingsOf({ databytes: '5000\n' });
    expect(settings.current.databytes).toBe(5_000);
    put(directory, { databytes: '5000 octets\n' });
    reread();
    expect(settings.current.databytes).toBe(5_000);
    expect(log.errors[0]).toContain('; using 5000');
    put(directory, { databytes: '6000\n' });
    reread();
    expect(settings.current.databytes).toBe(6_000);
  });

  test('a number or word that is documented as the default is what the setting has without a file', () => {
    const unset = settingsOf({}).settings.current;
    const plain = Object.values(SETTINGS).filter(({ otherwise }) =>
      /^(\d+|`(0\d+|[a-z]{3,})`)$/.test(otherwise),
    );
    expect(plain.length).toBeGreaterThan(6);
    for (const { files, otherwise } of plain) {
      const { settings } = settingsOf({ [files[0]!]: otherwise.replaceAll('`', '') });
      expect(settings.problems()).toEqual([]);
      expect(settings.current).toEqual(unset);
    }
  });

  test('are the same object until something changes', () => {
    const { settings, reread } = settingsOf({});
    const { current } = settings;
    expect(settings.current).toBe(current);
    reread();
    expect(settings.current).not.toBe(current);
  });
});

test('docs/reference/configuration.md has a row for each setting, as the program knows it', () => {
  const squeeze = (row: string): string => row.replace(/\s+/g, ' ').trim();
  const page = readFileSync(new URL('../../docs/reference/configuration.md', import.meta.url), 'utf8');
  const rows = page.split('\n').map(squeeze);
  for (const row of settingRows()) expect(rows).toContain(squeeze(row));
});
