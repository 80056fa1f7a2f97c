// Puts mailauth into the files of dist that import it, with the licences of all that comes along. Its package asks for a newer
// Node than we do, and npm would warn whoever installs us; the parts that are used run on ours (docs/decisions/0017).
import { build } from 'esbuild';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = 'dist/plugins/mailauth';
/** Our own dependencies, which need no second copy. */
const SHARED = ['ipaddr.js', 'tldts'];

const { metafile } = await build({
  entryPoints: readdirSync(FOLDER)
    .filter((name) => name.endsWith('.js') && !name.startsWith('chunk-'))
    .map((name) => join(FOLDER, name))
    .filter((file) => /from 'mailauth\//.test(readFileSync(file, 'utf8'))),
  outdir: FOLDER,
  chunkNames: 'chunk-[hash]',
  allowOverwrite: true,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  external: SHARED,
  minify: true,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
  // What it holds is CommonJS, and asks for modules of Node by `require`.
  banner: {
    js: "import { createRequire as requireFor } from 'node:module'; const require = requireFor(import.meta.url);",
  },
});

const folders = new Set(
  Object.keys(metafile.inputs).flatMap((file) => {
    const [, folder] = /^(node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file) ?? [];
    return folder === undefined ? [] : [folder];
  }),
);
const texts = [...folders].sort().map((folder) => {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? `Licence: ${license}` : readFileSync(join(folder, file), 'utf8').trim();
  return `${name} ${version}\n\n${text}\n`;
});
if (texts.length > 0 && existsSync(FOLDER))
  writeFileSync(join(FOLDER, 'LICENSES.txt'), texts.join(`\n${'-'.repeat(72)}\n\n`));
