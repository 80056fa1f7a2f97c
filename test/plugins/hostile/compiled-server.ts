/** The whole program, compiled to a folder of its own, so that a test of the daemon needs no build. */

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import ts from 'typescript';

const ROOT = resolve(import.meta.dirname, '../../..');
const LAYERS = ['bindings', 'host', 'plugins'];
const CORE = 'core-wasm/core.wasm';

export interface CompiledServer {
  /** The folder of the package: files in it may import `qpsmtpd/plugin`. */
  readonly root: string;
  /** The program `qpsmtpd`. */
  readonly program: string;
  remove(): void;
}

export function compileServer(): CompiledServer {
  const root = mkdtempSync(join(tmpdir(), 'qpsmtpd-server-'));
  for (const layer of LAYERS) {
    for (const name of readdirSync(join(ROOT, layer), { recursive: true, encoding: 'utf8' })) {
      if (name.endsWith('.ts') && !name.endsWith('.d.ts')) compile(join(layer, name), join(root, 'dist'));
    }
  }
  compile('core-wasm/layout.ts', join(root, 'dist'));
  // Without a build of the core its reference in TypeScript serves as well.
  if (existsSync(join(ROOT, 'dist', CORE))) copyFileSync(join(ROOT, 'dist', CORE), join(root, 'dist', CORE));
  copyFileSync(join(ROOT, 'package.json'), join(root, 'package.json'));
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  return {
    root,
    program: join(root, 'dist/host/cli/qpsmtpd.js'),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

function compile(file: string, target: string): void {
  const { outputText } = ts.transpileModule(readFileSync(join(ROOT, file), 'utf8'), {
    fileName: file,
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  });
  const output = join(target, file.replace(/\.ts$/, '.js'));
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(output, outputText);
}
