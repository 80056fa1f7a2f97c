/** The programs as an operator runs them, compiled to a folder of their own with a fake SMTP server in place of the real one. */

import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import ts from 'typescript';

const ROOT = resolve(import.meta.dirname, '../..');
const PROGRAMS = ['qpsmtpd', 'qpsmtpd-forkserver', 'qpsmtpd-prefork'];

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
  const queue = [...PROGRAMS.map((program) => `host/cli/${program}.ts`), ...threads].map((file) =>
    join(ROOT, file),
  );
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (done.has(file)) continue;
    done.add(file);
    queue.push(...compileFile(file, target));
  }
  mkdirSync(join(target, 'host/embed'), { recursive: true });
  copyFileSync(join(import.meta.dirname, 'fake-daemon.mjs'), join(target, 'host/embed/smtp-daemon.js'));
  copyFileSync(join(ROOT, 'package.json'), join(target, 'package.json'));
  symlinkSync(join(ROOT, 'node_modules'), join(target, 'node_modules'));
  return {
    path: (program) => join(target, `host/cli/${program}.js`),
    remove: () => rmSync(target, { recursive: true, force: true }),
  };
}

/** Writes the JavaScript and returns the files it imports. */
function compileFile(file: string, target: string): readonly string[] {
  const text = readFileSync(file, 'utf8');
  const { outputText } = ts.transpileModule(text, {
    fileName: file,
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  });
  const output = join(target, file.slice(ROOT.length)).replace(/\.ts$/, '.js');
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(output, outputText);
  const imports = [...outputText.matchAll(/(?:from|import)\s*\(?\s*['"](\.[^'"]+)\.js['"]/g)];
  return imports
    .map(([, path]) => resolve(dirname(file), `${path ?? ''}.ts`))
    .filter((path) => path !== join(ROOT, 'host/embed/smtp-daemon.ts'));
}
