import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Settings } from '../../host/settings/settings.ts';
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

test('every plugin of the sample exists', () => {
  const { config } = open([sample]);
  const names = [...config.lines('plugins'), ...config.lines('logging')].map(
    (line) => line.split(/[\s:]/)[0]!,
  );
  const isThere = (name: string): boolean =>
    ['.ts', '/index.ts'].some((end) => existsSync(`${plugins}${name}${end}`));
  expect(names.filter((name) => !isThere(name))).toEqual([]);
});

test('every file of the sample begins by saying what it is', () => {
  for (const name of readdirSync(sample)) expect(readFileSync(`${sample}/${name}`, 'utf8')).toMatch(/^# \S/);
});
