// Puts the compiled core beside the compiled bindings: they look for it at ../core-wasm/core.wasm.
import { copyFileSync, mkdirSync } from 'node:fs';

mkdirSync('dist/core-wasm', { recursive: true });
copyFileSync('core-wasm/core.wasm', 'dist/core-wasm/core.wasm');
