import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { QpsmtpdError } from '../../host/errors/error-classes.ts';
import { requireFrom, requirePackage } from '../../host/package/optional-package.ts';

const ROOT = resolve(import.meta.dirname, '../..');

interface Manifest {
  readonly version: string;
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
  readonly peerDependenciesMeta: Record<string, { readonly optional: boolean }>;
}
const manifestIn = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
const MANIFEST = manifestIn(ROOT);
const PEERS = Object.keys(MANIFEST.peerDependencies);

describe('the optional packages', () => {
  test.each(PEERS)('%s: tested with the version its range begins with, and optional', (name) => {
    const { version } = manifestIn(join(ROOT, 'node_modules', name));
    expect(MANIFEST.devDependencies[name]).toBe(version);
    expect(MANIFEST.peerDependencies[name]).toBe(`~${version}`);
    expect(MANIFEST.peerDependenciesMeta[name]).toEqual({ optional: true });
    expect(MANIFEST.dependencies[name]).toBeUndefined();
  });

  test('are loaded by `requirePackage` alone, by plugins as a service, and no others are', () => {
    const files = execFileSync('git', ['ls-files', 'host', 'bindings', 'plugins'], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    const asked = new Set<string>();
    const others: string[] = [];
    for (const file of files.split('\n').filter((name) => name.endsWith('.ts'))) {
      const text = readFileSync(join(ROOT, file), 'utf8');
      for (const [, name] of text.matchAll(/\b(?:requirePackage|optionalPackage)\('([^']+)'\)/g))
        asked.add(name!);
      const imported = text.matchAll(/^(?:import|export) (?!type\b)[^;']*'([^']+)';|\bimport\('([^']+)'\)/gm);
      for (const [statement, named, dynamic] of imported)
        if (PEERS.includes((named ?? dynamic)!)) others.push(`${file}: ${statement}`);
    }
    expect([...asked].sort()).toEqual([...PEERS].sort());
    expect(others).toEqual([]);
  });

  test.each(PEERS)('%s: the documentation names the version that was tested', (name) => {
    const wanted = `${name}@${MANIFEST.devDependencies[name]}`;
    const files = execFileSync('git', ['ls-files', 'README.md', 'docs'], { cwd: ROOT, encoding: 'utf8' });
    const named = files
      .split('\n')
      .filter((file) => file.endsWith('.md'))
      .flatMap(
        (file) =>
          readFileSync(join(ROOT, file), 'utf8').match(new RegExp(`${name}@\\d[\\d.]*\\d`, 'g')) ?? [],
      );
    expect(named.length).toBeGreaterThanOrEqual(2);
    expect([...new Set(named)]).toEqual([wanted]);
  });

  test('are there in a checkout', () => {
    expect(requirePackage('amqplib')).toHaveProperty('connect');
    expect(requirePackage('maxmind')).toHaveProperty('Reader');
    expect(requirePackage('@redis/client').createClient).toBeInstanceOf(Function);
    expect(requirePackage('fastify').fastify).toBeInstanceOf(Function);
    expect(requirePackage('ws').WebSocketServer).toBeInstanceOf(Function);
  });
});

describe('a package', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'optional-package-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  function write(path: string, content: string | object): void {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  }

  /** An installed qpsmtpd in `path`. */
  function install(path: string): string {
    write(join(path, 'package.json'), { peerDependencies: { amqplib: '~2.3.1', '@redis/client': '~6.3.1' } });
    return join(folder, path);
  }

  function failure(root: string, name: 'amqplib' | '@redis/client' = 'amqplib'): Error & { code?: unknown } {
    try {
      requireFrom(root)(name);
    } catch (error) {
      return error as Error;
    }
    throw new Error(`${name} was found`);
  }

  test('that is missing is named, with the command that installs it in the project', () => {
    write('package.json', {});
    const error = failure(install('node_modules/qpsmtpd'), '@redis/client');
    expect(error).toBeInstanceOf(QpsmtpdError);
    expect(error.code).toBe('Q_PACKAGE');
    expect(error.message).toBe(
      `the package @redis/client is not installed (run \`npm install @redis/client@6.3.1\` in ${folder})`,
    );
  });

  test.each([
    ['global', 'lib/node_modules/qpsmtpd', '', 'run `npm install --global --prefix DIR amqplib@2.3.1`'],
    [
      'global on Windows',
      'node_modules/qpsmtpd',
      '',
      'run `npm install --global --prefix DIR amqplib@2.3.1`',
    ],
    ['a checkout', 'qpsmtpd', '', 'run `npm install amqplib@2.3.1` in DIR/qpsmtpd'],
    [
      'within another package',
      'site/node_modules/other/node_modules/qpsmtpd',
      'site/package.json',
      'run `npm install amqplib@2.3.1` in DIR/site',
    ],
  ])('is installed where qpsmtpd is: %s', (_, path, manifest, remedy) => {
    if (manifest !== '') write(manifest, {});
    expect(failure(install(path)).message).toBe(
      `the package amqplib is not installed (${remedy.replace('DIR', folder)})`,
    );
  });

  test('that was installed since is found by the same process', () => {
    const root = install('node_modules/qpsmtpd');
    expect(failure(root).code).toBe('Q_PACKAGE');
    write('node_modules/amqplib/package.json', { main: 'main.js' });
    write('node_modules/amqplib/main.js', 'exports.connect = 7;');
    expect(requireFrom(root)('amqplib')).toEqual({ connect: 7 });
  });

  test.each([
    ['throws', { 'main.js': "throw new TypeError('no such luck');" }, /^no such luck$/],
    ['misses another package', { 'main.js': "require('other');" }, /^Cannot find module 'other'/],
    [
      'misses a part by its own name',
      { 'main.js': "require('amqplib/part');" },
      /^Cannot find module 'amqplib\/part'/,
    ],
    ['lacks its main file', {}, /main\.js'/],
  ])('that is there and %s is not called missing', (_, files, message) => {
    write('node_modules/amqplib/package.json', { main: 'main.js' });
    for (const [file, text] of Object.entries(files)) write(`node_modules/amqplib/${file}`, text);
    const error = failure(install('node_modules/qpsmtpd'));
    expect(error.message).toMatch(message);
    expect(error).not.toBeInstanceOf(QpsmtpdError);
  });
});
