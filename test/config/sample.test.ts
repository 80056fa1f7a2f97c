import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Settings } from '../../host/settings/settings.ts';
import { namedService } from '../../host/settings/settings-table.ts';
import { open } from './scratch.ts';

const sample = fileURLToPath(new URL('../../config.sample', import.meta.url));
const plugins = fileURLToPath(new URL('../../plugins/', import.meta.url));

test('the sample configuration passes every check', () => {
  const { config, log } = open([sample]);
  expect(new Settings(config, log).problems()).toEqual([]);
  for (const name of readdirSync(sample)) config.requireReadable(name);
  expect([...log.errors, ...log.warnings]).toEqual([]);
});

test('the sample accepts mail for example.com and localhost and ends with a queue', () => {
  const { config } = open([sample]);
  expect(config.lines('rcpthosts')).toEqual(['example.com', 'localhost']);
  expect(config.lines('plugins').slice(-2)).toEqual(['rcpt_ok', 'queue/maildir ./Maildir']);
  expect(config.isWritten('me')).toBe(false);
});

test('the sample submission service wants TLS before AUTH and AUTH before MAIL, and hands on by a spool', () => {
  const { config, log } = open([sample], { service: namedService('submission') });
  const settings = new Settings(config, log);
  expect(settings.problems()).toEqual([]);
  expect(settings.current).toMatchObject({ authRequired: true, tlsBeforeAuth: true });
  const names = config.lines('plugins').map((line) => line.split(' ')[0]);
  expect(names).toEqual([
    'tls',
    'count_unrecognized_commands',
    'auth/auth_flat_file',
    'rcpt_ok',
    'queue/spool',
  ]);
  expect(new Settings(open([sample]).config, log).current).toMatchObject({
    authRequired: false,
    tlsBeforeAuth: false,
    listeners: [],
  });
});

test('every plugin of the sample exists', () => {
  const { config } = open([sample]);
  const lines = ['plugins', 'plugins.submission', 'logging'].flatMap((name) => config.lines(name));
  const names = lines.map((line) => line.split(/[\s:]/)[0]!);
  const isThere = (name: string): boolean =>
    ['.ts', '/index.ts'].some((end) => existsSync(`${plugins}${name}${end}`));
  expect(names.filter((name) => !isThere(name))).toEqual([]);
});

test('every file of the sample begins by saying what it is', () => {
  for (const name of readdirSync(sample)) expect(readFileSync(`${sample}/${name}`, 'utf8')).toMatch(/^# \S/);
});
