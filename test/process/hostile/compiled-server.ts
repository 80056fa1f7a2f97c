/** The whole program, compiled to a folder of its own, so that a test of the daemon needs no build. */

import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, PACKAGES, ROOT } from '../compiled-source.ts';

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
  symlinkSync(join(ROOT, 'bin'), join(root, 'bin'));
  symlinkSync(PACKAGES, join(root, 'node_modules'));
  return {
    root,
    program: join(root, 'dist/host/cli/qpsmtpd.js'),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
