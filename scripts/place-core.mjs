// Puts the compiled core beside the compiled bindings, which look for it at ../core-wasm/core.wasm, and says so when
// it is not the one that core.wasm.sha256 promises.
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';

const CORE = 'core-wasm/core.wasm';
const HASH = 'core-wasm/core.wasm.sha256';

if (!existsSync(CORE)) {
  process.stderr.write(`${CORE} is missing: run npm run build:core\n`);
  process.exit(1);
}

// build/ is there once the tools have been compiled; a mere installation does without it.
for (const folder of ['dist', ...(existsSync('build') ? ['build'] : [])]) {
  mkdirSync(`${folder}/core-wasm`, { recursive: true });
  copyFileSync(CORE, `${folder}/core-wasm/core.wasm`);
}

const hash = createHash('sha256').update(readFileSync(CORE)).digest('hex');
const promised = existsSync(HASH) ? readFileSync(HASH, 'utf8').split(' ', 1)[0] : 'nothing';
if (hash !== promised) {
  process.stderr.write(`${CORE} has the SHA-256 ${hash}, but ${HASH} says ${promised}.\n`);
  process.stderr.write(
    'If core-wasm was changed on purpose: cd core-wasm && sha256sum core.wasm > core.wasm.sha256\n',
  );
}
