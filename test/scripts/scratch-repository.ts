/** A small repository with this one's rules, scripts and packages, for tests of the scripts. */

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../..');
const RULES = [
  '.gitignore',
  '.prettierrc.json',
  '.prettierignore',
  'eslint.config.js',
  'package.json',
  'tsconfig.json',
];
/** Not this repository's: the types of its reporters would take the compiler a second for each commit. */
const VITEST_CONFIG = "export default { test: { include: ['test/**/*.test.ts'] } };\n";

/** Variables of a hook that runs this test, and of the user's configuration, would reach the wrong repository. */
const environment: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_'))),
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_SYSTEM: '/dev/null',
};

export interface Said {
  readonly status: number | null;
  readonly text: string;
}

export class ScratchRepository {
  readonly folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-scratch-'));

  constructor() {
    for (const file of RULES) cpSync(join(ROOT, file), join(this.folder, file));
    this.write('vitest.config.js', VITEST_CONFIG);
    cpSync(join(ROOT, 'scripts'), join(this.folder, 'scripts'), { recursive: true });
    // The folder itself is this repository's own: caches are not to be shared.
    mkdirSync(join(this.folder, 'node_modules'));
    for (const name of readdirSync(join(ROOT, 'node_modules')).filter(
      (name) => !/^\.(cache|vite)/.test(name),
    ))
      symlinkSync(join(ROOT, 'node_modules', name), join(this.folder, 'node_modules', name));
    this.git('init', '--quiet', '--initial-branch=main');
    this.git('config', 'user.name', 'Test');
    this.git('config', 'user.email', 'test@example.com');
    this.git('config', 'commit.gpgsign', 'false');
  }

  git(...args: string[]): string {
    return execFileSync('git', args, { cwd: this.folder, env: environment, encoding: 'utf8', stdio: 'pipe' });
  }

  /** Runs a program and hands back what it said on both streams. */
  run(program: string, ...args: string[]): Said {
    const { status, stdout, stderr } = spawnSync(program, args, {
      cwd: this.folder,
      env: environment,
      encoding: 'utf8',
    });
    // A build server may ask for colours.
    return { status, text: stripVTControlCharacters(stdout + stderr) };
  }

  write(file: string, text: string): void {
    mkdirSync(dirname(join(this.folder, file)), { recursive: true });
    writeFileSync(join(this.folder, file), text);
  }

  commitAll(): void {
    this.git('add', '--all');
    this.git('commit', '--quiet', '--no-verify', '--message', 'all of it');
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
