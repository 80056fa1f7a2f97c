// Builds a checkout after `npm ci` and before `npm pack`. npm runs `prepare` in an installed package too (`npm link`, `npm rebuild`):
// that one is built already and has no compiler.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

if (existsSync(new URL('../tsconfig.build.json', import.meta.url))) {
  const { status } = spawnSync('npm', ['run', 'build'], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  process.exitCode = status ?? 1;
}
