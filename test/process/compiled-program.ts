/** The programs as an operator runs them, compiled to a folder of their own with a fake SMTP server in place of the real one. */

import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { compile, PACKAGES, ROOT } from './compiled-source.ts';

const PROGRAMS = ['qpsmtpd', 'qpsmtpd-async', 'qpsmtpd-forkserver', 'qpsmtpd-prefork'];

export interface CompiledPrograms {
  /** Absolute path of a program. */
  path(program: string): string;
  remove(): void;
}

/** Follows the relative imports of the programs; `host/embed/smtp-daemon.ts` is replaced by the fake one. */
export function compilePrograms(): CompiledPrograms {
  const target = mkdtempSync(join(tmpdir(), 'qpsmtpd-programs-'));
  // Also for a program that gives up root.
  chmodSync(target, 0o755);
  const done = new Set<string>();
  const threads = ['host/process/stall-watch.ts'];
  const queue = [...PROGRAMS.map((program) => `host/cli/${program}.ts`), ...threads];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (done.has(file)) continue;
    done.add(file);
    queue.push(...compileFile(file, target));
  }
  mkdirSync(join(target, 'host/embed'), { recursive: true });
  copyFileSync(join(import.meta.dirname, 'fake-daemon.mjs'), join(target, 'host/embed/smtp-daemon.js'));
  mkdirSync(join(target, 'bin'));
  copyFileSync(join(ROOT, 'bin/client-descriptors.cjs'), join(target, 'bin/client-descriptors.cjs'));
  copyFileSync(join(ROOT, 'package.json'), join(target, 'package.json'));
  symlinkSync(PACKAGES, join(target, 'node_modules'));
  return {
    path: (program) => join(target, `host/cli/${program}.js`),
    remove: () => rmSync(target, { recursive: true, force: true }),
  };
}

/** Writes the JavaScript and returns the files it imports. */
function compileFile(file: string, target: string): readonly string[] {
  const imports = [...compile(file, target).matchAll(/(?:from|import)\s*\(?\s*['"](\.[^'"]+)\.js['"]/g)];
  return imports
    .map(([, path]) => join(dirname(file), `${path ?? ''}.ts`))
    .filter((path) => path !== 'host/embed/smtp-daemon.ts');
}
