/** Holds the architecture: who may import whom, how long files may get, what must not be named. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

const LAYERS = ['core-wasm', 'bindings', 'host', 'plugins'] as const;

/** Files of the product: tracked or about to be. */
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => LAYERS.some((layer) => file.startsWith(`${layer}/`)));

const textOf = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));

/** Module specifiers of a file, static and dynamic. */
function importsOf(file: string): string[] {
  const found = textOf
    .get(file)!
    .matchAll(/^(?:import|export)\b(?:[^;']*?\bfrom)?\s*'([^'\n]+)';|\bimport\([^)']*'([^']+)'\)/gm);
  return [...found].map(([, named, dynamic]) => (named ?? dynamic)!);
}

/** Relative specifiers become paths from the root; packages and `node:` stay as they are. */
const resolved = (file: string, specifier: string): string =>
  specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : specifier;

const below = (folder: string): string[] => files.filter((file) => file.startsWith(`${folder}/`));

/** Each import of the folder's files that `isAllowed` refuses, as `file -> import`. */
function offences(folder: string, isAllowed: (target: string, file: string) => boolean): string[] {
  return below(folder).flatMap((file) =>
    importsOf(file)
      .map((specifier) => resolved(file, specifier))
      .filter((target) => !isAllowed(target, file))
      .map((target) => `${file} -> ${target}`),
  );
}

describe('who may import whom', () => {
  test('there is something to look at', () => {
    for (const layer of LAYERS) expect(below(layer).length, layer).toBeGreaterThan(3);
    expect(offences('host', () => false).length).toBeGreaterThan(100);
  });

  test('core-wasm imports nothing but itself', () => {
    expect(
      offences('core-wasm', (target) => target.startsWith('core-wasm/') || !target.includes('/')),
    ).toEqual([]);
  });

  test('bindings import bindings, packages, the memory map, and node only to read the compiled core', () => {
    const mayReadFiles = ['bindings/core.ts', 'bindings/wasm-core.ts'];
    expect(
      offences(
        'bindings',
        (target, file) =>
          target.startsWith('bindings/') ||
          target === 'core-wasm/layout.ts' ||
          target === 'zod' ||
          target === 're2js' ||
          target === 'ipaddr.js' ||
          (target === 'node:fs' && mayReadFiles.includes(file)),
      ),
    ).toEqual([]);
  });

  test('plugins import the plugin API alone', () => {
    expect(offences('plugins', (target) => target === 'bindings/plugin/index.ts')).toEqual([]);
  });

  test('the host imports no plugin: plugins are loaded by their configured name', () => {
    expect(offences('host', (target) => !target.startsWith('plugins/'))).toEqual([]);
  });

  test('nothing imports tests or benchmarks', () => {
    for (const layer of LAYERS)
      expect(offences(layer, (target) => !/^(test|bench)\//.test(target))).toEqual([]);
  });

  test('sockets are opened in host/intake, host/dns, host/delivery and host/http only', () => {
    const sockets = /^(node:)?(net|tls|http|https|http2|dgram)$/;
    const mayOpen = /^host\/(intake|dns|delivery|http)\//;
    expect(offences('host', (target, file) => !sockets.test(target) || mayOpen.test(file))).toEqual([]);
  });

  test('time, chance and the process reach plugins and bindings as services only', () => {
    const forbidden = /\b(Date\.now|new Date|Math\.random|setTimeout|setInterval|process\.(?!env\b))/;
    const offenders = [...below('plugins'), ...below('bindings/plugin')].filter((file) =>
      forbidden.test(textOf.get(file)!.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')),
    );
    expect(offenders).toEqual([]);
  });
});

describe('the size and the names of files', () => {
  const lengths = files.map((file) => textOf.get(file)!.split('\n').length);

  test('no file is over 600 lines, and the median is about 120 at most', () => {
    expect(files.filter((_, index) => lengths[index]! > 600)).toEqual([]);
    const sorted = [...lengths].sort((a, b) => a - b);
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThanOrEqual(130);
  });

  test('files are nouns in kebab-case; plugins keep the names qpsmtpd gave them', () => {
    const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.d)?\.ts$/;
    const odd = files.filter((file) => !file.startsWith('plugins/') && !kebab.test(basename(file)));
    expect(odd).toEqual([]);
    const vague = /(^|[-/])(utils?|helpers?|common|managers?|misc)([-./]|$)/;
    expect(files.filter((file) => vague.test(file))).toEqual([]);
  });
});
