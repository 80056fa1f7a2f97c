/** Holds the architecture: who may import whom, how long files may get, what must not be named. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

const LAYERS = ['core-wasm', 'bindings', 'host', 'plugins'] as const;

/** Files of the product: tracked or about to be. */
const files = filesOf('*.ts').filter((file) => LAYERS.some((layer) => file.startsWith(`${layer}/`)));

function filesOf(pattern: string): string[] {
  const options = ['ls-files', '--cached', '--others', '--exclude-standard', pattern];
  return execFileSync('git', options, { cwd: root, encoding: 'utf8' }).split('\n').filter(Boolean);
}

const textOf = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));

/** Module specifiers of a file, static and dynamic. */
const importsOf = (file: string): string[] => specifiersIn(textOf.get(file)!);

function specifiersIn(text: string): string[] {
  const found = text.matchAll(
    /^(?:import|export)\b(?:[^;']*?\bfrom)?\s*'([^'\n]+)';|\bimport\([^)']*'([^']+)'\)/gm,
  );
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

/**
 * The floors of the house, from the ground up: a folder imports itself and what stands before it here, types included. A
 * folder that is not named has no place yet.
 */
const FLOORS = [
  'core-wasm',
  'bindings/core',
  'bindings/core/reference',
  'bindings',
  'bindings/wire',
  'bindings/timing',
  'bindings/lists',
  'bindings/plugin',
  'host/errors',
  'host/package',
  'host/observe',
  'host/memory',
  'host/message',
  'host/config',
  'host/dns',
  'host/settings',
  'host/store',
  'host/http',
  'host/tls',
  'host/auth',
  'host/intake',
  'host/injection',
  'host/fronts/http',
  'host/replies',
  'host/hooks',
  'host/session',
  'host/spool/files',
  'host/spool/index',
  'host/spool/report',
  'host/spool',
  'host/programs',
  'host/connect',
  'host/workers',
  'host/services',
  'host/process',
  'host/reference',
  'host/server',
  'host/embed',
  'host/smtp-server',
  'host/testing',
  'host/cli',
  'host',
  'plugins/dns-lists/zone-files',
  'plugins/dns-lists',
  'plugins/mailauth',
  'plugins/reverse-dns',
  'plugins/reports',
  'plugins/sender-rewriting',
  'plugins/queue/kit',
  'plugins/queue/program',
  'plugins/queue/smtp',
  'plugins/queue/mx',
  'plugins/queue/web',
] as const;

/**
 * Packages that plugins use, in their folders alone. amqplib opens sockets of its own; it is given a signal that closes
 * them, and a frame of limited size. postal-mime runs in threads. tldts is a table of public suffixes, loaded with its plugin.
 */
const PACKAGES_OF_PLUGINS = [
  { folder: 'plugins/dmarc_reports.ts', name: 'tldts' },
  { folder: 'plugins/ident/geoip/', name: 'maxmind' },
  { folder: 'plugins/queue/amqp/', name: 'amqplib' },
  { folder: 'plugins/queue/webhook/', name: 'postal-mime' },
  { folder: 'plugins/uribl/', name: 'tldts' },
] as const;

/** Every import between two folders of the product, as `file -> target`. */
const crossings = files.flatMap((file) =>
  importsOf(file)
    .map((specifier) => resolved(file, specifier))
    .filter((target) => textOf.has(target) && dirname(target) !== dirname(file))
    .map((target) => ({ from: dirname(file), to: dirname(target), text: `${file} -> ${target}` })),
);

describe('the floors', () => {
  const floorOf = (folder: string): number => {
    const floor = (FLOORS as readonly string[]).indexOf(folder);
    // Plugins stand above everything else; what they may import of each other is looked at below.
    return floor === -1 && /^plugins\b/.test(folder) ? FLOORS.length : floor;
  };

  test('each folder has one', () => {
    const folders = new Set(files.map((file) => dirname(file)));
    expect([...folders].filter((folder) => floorOf(folder) === -1)).toEqual([]);
    expect(FLOORS.filter((folder) => !folders.has(folder))).toEqual([]);
  });

  test('no folder imports upwards', () => {
    expect(crossings.length).toBeGreaterThan(500);
    expect(crossings.filter(({ from, to }) => floorOf(to) > floorOf(from)).map(({ text }) => text)).toEqual(
      [],
    );
  });

  test('no circle leads through two folders', () => {
    const next = new Map<string, Set<string>>();
    for (const { from, to } of crossings) next.set(from, (next.get(from) ?? new Set()).add(to));
    const circles: string[] = [];
    const walk = (folder: string, way: readonly string[]): void => {
      if (way.includes(folder))
        return void circles.push([...way.slice(way.indexOf(folder)), folder].join(' -> '));
      if (finished.has(folder)) return;
      for (const to of next.get(folder) ?? []) walk(to, [...way, folder]);
      finished.add(folder);
    };
    const finished = new Set<string>();
    for (const folder of next.keys()) walk(folder, []);
    expect(circles).toEqual([]);
  });
});

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

  test('bindings import bindings, three packages, the memory map, and of node what neither reads nor waits', () => {
    const packages = ['zod', 're2js', 'ipaddr.js'];
    const codecs = ['node:buffer', 'node:crypto', 'node:net', 'node:url', 'node:util'];
    expect(
      offences(
        'bindings',
        (target, file) =>
          target.startsWith('bindings/') ||
          target === 'core-wasm/layout.ts' ||
          packages.includes(target) ||
          (target === 'node:fs' && file === 'bindings/core/wasm-core.ts') ||
          (codecs.includes(target) && file.startsWith('bindings/wire/')) ||
          (target === 'node:stream' && /^import type .* from 'node:stream';$/m.test(textOf.get(file)!)),
      ),
    ).toEqual([]);
  });

  test('of node:net, codecs use the recognition of addresses alone', () => {
    const users = below('bindings').filter((file) => importsOf(file).includes('node:net'));
    expect(users).toEqual(['bindings/wire/ip-address.ts']);
    expect(textOf.get(users[0]!)!).toMatch(/^export \{ [isIPv46, ]+ \} from 'node:net';$/m);
  });

  test('mechanisms of AUTH know no reply, reading of directories no setting; intake and TLS do not know each other', () => {
    const forbidden = [
      ['host/auth', 'host/replies'],
      ['host/config', 'host/settings'],
      ['host/intake', 'host/tls'],
      ['host/tls', 'host/intake'],
    ] as const;
    for (const [folder, other] of forbidden)
      expect(offences(folder, (target) => !target.startsWith(`${other}/`))).toEqual([]);
  });

  test('plugins import the API, codecs, timing, their own folder, what their family shares, and of node what computes', () => {
    const shared = /^plugins\/queue\/(kit|program|smtp|mx|web)\//;
    /** Not plugins themselves, and open to all of them. */
    const common = /^plugins\/(dns-lists|mailauth|reports|reverse-dns|sender-rewriting)\//;
    /** What computes, and neither reads nor waits. */
    const computing = ['node:buffer', 'node:crypto', 'node:path', 'node:util', 'node:zlib'];
    /** The folder of a plugin; undefined for a plugin of one file, and for what a family shares. */
    const folderOf = (file: string): string | undefined => {
      for (let folder = dirname(file); folder !== 'plugins' && folder !== '.'; folder = dirname(folder))
        if (textOf.has(`${folder}/index.ts`)) return folder;
      return undefined;
    };
    const isOpen = (target: string, file: string): boolean =>
      target === 'bindings/plugin/index.ts' ||
      target === 'bindings/lists/index.ts' ||
      computing.includes(target) ||
      /^bindings\/(wire|timing)\//.test(target) ||
      (folderOf(file) !== undefined && folderOf(file) === folderOf(target)) ||
      PACKAGES_OF_PLUGINS.some(({ folder, name }) => file.startsWith(folder) && target === name) ||
      (file.startsWith('plugins/mailauth/') && target.startsWith('mailauth/lib/')) ||
      common.test(target) ||
      (shared.test(target) && file.startsWith('plugins/queue/'));
    expect(offences('plugins', isOpen)).toEqual([]);
  });

  test('the host imports no plugin: plugins are loaded by their configured name', () => {
    expect(offences('host', (target) => !target.startsWith('plugins/'))).toEqual([]);
  });

  test('nothing imports tests or benchmarks', () => {
    for (const layer of LAYERS)
      expect(offences(layer, (target) => !/^(test|bench)\//.test(target))).toEqual([]);
  });

  test('packages that open sockets or cost memory are loaded when they are asked for: plugins import their types', () => {
    const loaded = below('plugins').filter((file) =>
      PACKAGES_OF_PLUGINS.some(({ name }) =>
        new RegExp(`^import (?!type\\b)[^;]*'${name}'|\\bawait import\\('${name}'\\)`, 'm').test(
          textOf.get(file)!,
        ),
      ),
    );
    expect(loaded).toEqual([
      'plugins/dmarc_reports.ts',
      'plugins/queue/webhook/formats/mime-thread.ts',
      'plugins/uribl/host-collection.ts',
    ]);
  });

  test('tests of plugins use what authors of plugins have: the kit, the API, the plugins', () => {
    const exceptions: Readonly<Record<string, string>> = {
      'queue-web.test.ts': 'queue plugins whose code moves',
      'queue-smtp-forward.test.ts': 'a whole server in front of real hops',
      'queue-smtp-forward-mx.test.ts': 'a whole server in front of a real DNS',
    };
    const tests = filesOf('test/plugins/*.ts');
    expect(tests.length).toBeGreaterThan(30);
    const isOpen = (target: string): boolean =>
      target === 'host/testing/index.ts' ||
      /^test\/(patience|amount)\.ts$/.test(target) ||
      /^(bindings|plugins|test\/plugins)\//.test(target) ||
      /^(node:|vitest$|fast-check$)/.test(target);
    const found = tests
      .filter((file) => exceptions[basename(file)] === undefined)
      .flatMap((file) =>
        specifiersIn(readFileSync(join(root, file), 'utf8'))
          .map((specifier) => resolved(file, specifier))
          .filter((target) => !isOpen(target))
          .map((target) => `${file} -> ${target}`),
      );
    expect(found).toEqual([]);
    const names = tests.map((file) => basename(file));
    expect(Object.keys(exceptions).filter((name) => !names.includes(name))).toEqual([]);
  });

  test('sockets are opened in host/intake, host/fronts/http, host/tls, host/dns, host/http, host/connect, and for syslog only', () => {
    const sockets = /^(node:)?(net|tls|http|https|http2|dgram)$/;
    const mayOpen =
      /^host\/((intake|fronts\/http|tls|dns|delivery|http|connect)\/|observe\/syslog-output\.ts$)/;
    expect(offences('host', (target, file) => !sockets.test(target) || mayOpen.test(file))).toEqual([]);
  });

  test('time, chance and the process reach plugins and bindings as services only', () => {
    const forbidden = /\b(Date\.now|new Date|Math\.random|setTimeout|setInterval|process\.(?!env\b))/;
    const offenders = [...below('plugins'), ...below('bindings/plugin'), ...below('bindings/wire')].filter(
      (file) => forbidden.test(textOf.get(file)!.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')),
    );
    expect(offenders).toEqual([]);
  });
});

test('plugins have at most fourteen services: capabilities, and no products', () => {
  const text = textOf.get('bindings/plugin/services.ts')!;
  const members = ['Services', 'SystemServices'].flatMap((name) => {
    const [, body = ''] = new RegExp(`export interface ${name} [^{]*\\{\\n([^]*?)\\n\\}`).exec(text) ?? [];
    return [...body.matchAll(/^  (?:readonly )?(\w+)[(:]/gm)].map(([, member]) => member);
  });
  expect(members).toContain('connect');
  expect(members).toContain('dns');
  expect(members.length).toBeLessThanOrEqual(14);
});

test.each([
  ['a refused recipient', 14],
  ['a delivery into a Maildir', 40],
])('the walk of %s leads through %d files at most, and they are there', (walk, most) => {
  const guide = readFileSync(join(root, 'docs/guide/architecture.md'), 'utf8');
  const [, text = ''] = new RegExp(`^## The walk of ${walk}\\n([^]*?)^## `, 'm').exec(guide) ?? [];
  const named = [...text.matchAll(/`((?:host|bindings|plugins)\/[^`]+\.ts)`/g)].map(([, file]) => file!);
  expect(named.length).toBeGreaterThan(9);
  expect(new Set(named).size).toBeLessThanOrEqual(most);
  expect(named.filter((file) => !textOf.has(file))).toEqual([]);
});

describe('the size and the names of files', () => {
  const lengths = files.map((file) => textOf.get(file)!.split('\n').length);

  test('no file is over 600 lines, and half of them have about 90 or more', () => {
    expect(files.filter((_, index) => lengths[index]! > 600)).toEqual([]);
    const sorted = [...lengths].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)]!;
    expect(median).toBeGreaterThanOrEqual(85);
    expect(median).toBeLessThanOrEqual(200);
  });

  test('files are nouns in kebab-case; plugins keep the names qpsmtpd gave them', () => {
    const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.d)?\.ts$/;
    const odd = files.filter((file) => !file.startsWith('plugins/') && !kebab.test(basename(file)));
    expect(odd).toEqual([]);
    const vague = /(^|[-/])(utils?|helpers?|common|managers?|misc)([-./]|$)/;
    expect(files.filter((file) => vague.test(file))).toEqual([]);
  });
});
