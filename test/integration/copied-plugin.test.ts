/** A delivering plugin of this package, copied out of it as somebody would who wants another one like it. */

import { execFile } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ScriptedHop } from '../delivery/scripted-hop.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

let folder: string;
let site: string;

/** Everything but the package itself, which is what `npm pack` makes of it. */
function linkModules(): void {
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (!name.startsWith('.') && name !== 'qpsmtpd')
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
}

/** The imports of a copy name the package where they led out of the folder of plugins. */
function rewriteImports(file: string): void {
  const text = readFileSync(file, 'utf8')
    .replace(/'(?:\.\.\/)+bindings\/(plugin|lists)\/index\.ts'/g, "'qpsmtpd/$1'")
    .replace(/'(?:\.\.\/)+bindings\/(wire|timing)\/[\w-]+\.ts'/g, "'qpsmtpd/$1'")
    .replace("name: 'queue/lmtp'", "name: 'copied/lmtp'");
  writeFileSync(file, text);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-copied-'));
  linkModules();
  const { stdout } = await run('npm', ['pack', ROOT, '--ignore-scripts', '--json'], { cwd: folder });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  await run('tar', ['-xzf', filename], { cwd: folder });
  cpSync(join(folder, 'package'), join(folder, 'node_modules/qpsmtpd'), { recursive: true });
  site = join(folder, 'site');
  const copies = join(folder, 'source/copied');
  cpSync(join(ROOT, 'plugins/queue/smtp'), join(copies, 'smtp'), { recursive: true });
  cpSync(join(ROOT, 'plugins/queue/lmtp.ts'), join(copies, 'lmtp.ts'));
  for (const name of readdirSync(copies, { recursive: true, encoding: 'utf8' }))
    if (name.endsWith('.ts')) rewriteImports(join(copies, name));
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  const compilerOptions = {
    ...{ target: 'ES2023', module: 'NodeNext', lib: ['ES2023'], types: ['node'] },
    ...{
      strict: true,
      skipLibCheck: true,
      rewriteRelativeImportExtensions: true,
      rootDir: 'source',
      outDir: 'site',
    },
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['source'] }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SCRIPT = `import { definePlugin, ok } from 'qpsmtpd/plugin';
import { TestServer } from 'qpsmtpd/testing';
const [site, port] = process.argv.slice(2);
const accepting = definePlugin({ name: 'accepting', about: 'Accepts.', hooks: { rcpt: () => ok() } });
const server = await TestServer.start({
  plugins: [accepting, \`copied/lmtp 127.0.0.1 \${port}\`],
  config: { plugin_dirs: site },
});
const client = await server.greeted();
for (const line of ['MAIL FROM:<s@c.example>', 'RCPT TO:<a@d.example>', 'DATA']) await client.say(line);
process.stdout.write(await client.say('Subject: x\\r\\n\\r\\n..one\\r\\n.'));
await server.close();
`;

test('queue/lmtp, with the folder of SMTP beside it, needs nothing that the package does not offer', async () => {
  // What is wrong is said to the standard output, which the error would not show.
  const types = await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc')], {
    cwd: folder,
  }).then(
    () => '',
    ({ stdout }: { stdout: string }) => stdout,
  );
  expect(types).toBe('');

  const store = await ScriptedHop.start({ isLmtp: true, says: { END: '250 2.0.0 kept as 7' } });
  try {
    const script = join(folder, 'deliver.js');
    writeFileSync(script, SCRIPT);
    const { stdout } = await run(process.execPath, [script, site, String(store.port)], { cwd: folder });
    expect(stdout).toMatch(/^250 .*kept as 7/);
    expect(store.lines).toContain('RCPT TO:<a@d.example>');
    expect(store.lines[0]).toMatch(/^LHLO /);
    expect(store.contents.join('')).toContain('one\r\n');
  } finally {
    await store.close();
  }
});
