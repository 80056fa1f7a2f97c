/** A folder outside the tree in which the package is installed: what runs there has nothing but what the package exports. */

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

export class OutsideFolder {
  readonly path: string;

  constructor(name: string) {
    this.path = mkdtempSync(join(tmpdir(), `${name}-`));
    mkdirSync(join(this.path, 'node_modules/@types'), { recursive: true });
    symlinkSync(ROOT, join(this.path, 'node_modules/qpsmtpd'));
    symlinkSync(join(ROOT, 'node_modules/@types/node'), join(this.path, 'node_modules/@types/node'));
    writeFileSync(join(this.path, 'package.json'), '{ "type": "module" }');
  }

  node(...args: string[]): Promise<{ stdout: string; stderr: string }> {
    return run(process.execPath, args, { cwd: this.path });
  }

  /** Runs `code` as a program of its own; `ending` says how it is read: `mjs` or `cjs`. */
  run(name: string, code: string, ending = 'mjs'): Promise<{ stdout: string; stderr: string }> {
    writeFileSync(join(this.path, `${name}.${ending}`), code);
    return this.node(`${name}.${ending}`);
  }

  /** Compiles TypeScript files, by name without ending, beside each other. Throws what the compiler says. */
  async compile(files: ReadonlyMap<string, string>): Promise<void> {
    for (const [name, code] of files) writeFileSync(join(this.path, `${name}.ts`), code);
    const compilerOptions = {
      target: 'ES2023',
      lib: ['ES2023', 'ESNext.Disposable'],
      module: 'NodeNext',
      strict: true,
      types: ['node'],
      skipLibCheck: false,
    };
    writeFileSync(join(this.path, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    await this.node(compiler, '-p', '.').catch((error: { readonly stdout: string }) => {
      throw new Error(error.stdout);
    });
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
