/** Files in the configuration directory that have no effect: known ones that nothing reads, and misspelt ones. */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { maskControls } from '../message/field-text.ts';
import { BACKUP, splitServiceFile } from '../config/service-files.ts';
import { nearest } from '../../bindings/lists/nearest.ts';
import { sharedFiles } from '../settings/settings-table.ts';
import { effectOf, PERL_FILES } from './perl-files.ts';
import { PERL_PLUGINS } from './perl-plugins.ts';

export interface ReadConfig {
  /** In the order in which they are searched. */
  readonly directories: readonly string[];
  /** Names that were looked for, such as `rcpthosts` and `morercpthosts.cdb`. */
  readonly askedFor: ReadonlySet<string>;
  lines(name: string): readonly string[];
}

/** The configuration of one service. */
export interface ServiceReader {
  readonly service: string | undefined;
  readonly config: ReadConfig;
}

/** A larger file is no list written by hand. */
const MAX_OCTETS = 1_048_576;
/** Files looked at; a directory with more is not one of configuration. */
const MAX_FILES = 1_000;

/** One line for each, `FILE: nothing reads it ...`. Reads the directory that has `plugins`. `readers` are all services that are served. */
export function unreadFiles(readers: readonly ServiceReader[]): string[] {
  const askedFor = new Set(readers.flatMap(({ config }) => [...config.askedFor]));
  const chains = [...askedFor].filter((name) => /^plugins(?:\.|$)/.test(name));
  const directory = readers[0]?.config.directories.find((each) =>
    chains.some((name) => existsSync(join(each, name))),
  );
  if (directory === undefined) return [];
  const plugins = new Set(readers.flatMap(({ config }) => namedPlugins(config)));
  const names = namesIn(directory).filter((name) => !BACKUP.test(name));
  const texts = new Map(names.map((name) => [name, linesOf(join(directory, name))]));
  const known = new Set([...PERL_FILES.keys(), ...askedFor]);
  const services = new Set(readers.map(({ service }) => service));
  const isNamed = (name: string, pattern: (escaped: string) => string): boolean => {
    const mention = new RegExp(pattern(name.replace(/[^\w]/g, '\\$&')), 'm');
    return [...texts].some(([other, text]) => other !== name && mention.test(text ?? ''));
  };
  /** By service, the files of those that no listener names. */
  const unserved = new Map<string, string[]>();
  const told = names.flatMap((name) => {
    if (askedFor.has(name) || texts.get(name) === '') return [];
    const file = PERL_FILES.get(name);
    const say = (effect: string): string[] => [
      `${maskControls(join(directory, name))}: nothing reads it: ${effect}`,
    ];
    if (file !== undefined) {
      const hasReader = [file.reader, ...(file.alsoReadBy ?? [])].some((reader) => plugins.has(reader));
      const isRead = hasReader && file.effect === undefined;
      const isSource = file.sourceOf !== undefined && names.includes(file.sourceOf);
      if (isRead || isSource || isNamed(name, (word) => `^\\$include[ \\t]+(?:\\S*/)?${word}$`)) return [];
      return say(effectOf(file));
    }
    // Files of a plugin's own, and included ones, are named somewhere.
    if (texts.get(name) === undefined || isNamed(name, (word) => `(?:^|[\\s/=|])${word}(?:$|\\s)`)) return [];
    const { base = '', service = '' } = splitServiceFile(name) ?? {};
    if (known.has(base)) {
      if (services.has(service)) return say(effectInService(base, service));
      unserved.set(service, [...(unserved.get(service) ?? []), name]);
      return [];
    }
    const meant = nearest(name, known);
    return meant === undefined ? [] : say(`did you mean ${meant}?`);
  });
  return [...told, ...[...unserved].map(([service, files]) => unservedFiles(directory, service, files))];
}

function unservedFiles(directory: string, service: string, files: readonly string[]): string {
  const reads = files.length === 1 ? 'nothing reads it' : 'nothing reads them';
  return `${maskControls(join(directory, files.join(', ')))}: ${reads}: no listener says \`service=${service}\``;
}

/** Why the service does not read a file that would be one of its own. */
const effectInService = (base: string, service: string): string =>
  sharedFiles().has(base)
    ? `\`${base}\` is about the whole process, and no service has one of its own`
    : `no plugin of the service ${service} does`;

/** Also those that could not be loaded: their files have a reader as soon as they are mended. */
function namedPlugins(config: ReadConfig): readonly string[] {
  try {
    return [...config.lines('plugins'), ...config.lines('logging')].map((line) => {
      const name = /^[^\s:]*/.exec(line)![0];
      const meaning = PERL_PLUGINS.get(name);
      return meaning?.kind === 'renamed' ? meaning.to : name;
    });
  } catch {
    return [];
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).sort().slice(0, MAX_FILES);
  } catch {
    return [];
  }
}

/** The lines that are no comments; undefined for what can't be read as a list, such as a directory. */
function linesOf(path: string): string | undefined {
  try {
    const facts = statSync(path);
    if (!facts.isFile() || facts.size > MAX_OCTETS) return undefined;
    return readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'))
      .join('\n');
  } catch {
    return undefined;
  }
}
