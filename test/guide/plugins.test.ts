import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { testPlugin, printVerdict } from '../../host/testing/index.ts';
import type { PluginDefinition } from '../../bindings/plugin/index.ts';

const API = fileURLToPath(new URL('../../bindings/plugin/index.ts', import.meta.url));
const TESTING = fileURLToPath(new URL('../../host/testing/index.ts', import.meta.url));
const GUIDE = readFileSync(new URL('../../docs/guide/plugins.md', import.meta.url), 'utf8');

/** The code block that begins with a comment of its file's name. */
function blockOf(file: string): string {
  const block = [...GUIDE.matchAll(/```js\n(.*?)```/gs)].find(([, code]) => code!.startsWith(`// ${file}\n`));
  return block![1]!;
}

/** Loads blocks of the guide as files of one folder. */
async function withBlocks(
  use: (load: (code: string) => Promise<{ default?: unknown }>) => Promise<void>,
): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'guide-'));
  try {
    await use(async (code) => {
      const path = join(root, /^\/\/ (\S+)/.exec(code)![1]!);
      writeFileSync(path, code.replaceAll('qpsmtpd/plugin', API).replaceAll('qpsmtpd/testing', TESTING));
      return (await import(/* @vite-ignore */ pathToFileURL(path).href)) as { default?: unknown };
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test('the plugin on the first page of the guide has at most 25 lines, passes its test and works', async () => {
  const [plugin = '', itsTest = ''] = [...GUIDE.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code!);
  expect(plugin.trim().split('\n').length).toBeLessThanOrEqual(25);
  await withBlocks(async (load) => {
    const definition = (await load(plugin)).default as PluginDefinition;
    expect(itsTest).toContain('assert');
    await load(itsTest);
    const { ask } = testPlugin(definition, { options: '3' });
    expect(printVerdict(await ask('mail', '<a1234@b.example>'))).toBe(
      'DENYSOFT Too many digits in your address (#1.8)',
    );
    expect(printVerdict(await ask('mail', '<a123@b.example>'))).toBe('DECLINED');
  });
});

test('the plugin that asks a daemon passes its test with daemons in memory', async () => {
  await withBlocks(async (load) => {
    await load(blockOf('scanner.js'));
    const itsTest = blockOf('scanner.test.js');
    expect(itsTest).toContain('assert');
    await load(itsTest);
  });
});

test('the plugin that asks the DNS passes its test on a DNS of its own', async () => {
  await withBlocks(async (load) => {
    await load(blockOf('resolvable.js'));
    const itsTest = blockOf('resolvable.test.js');
    expect(itsTest).toContain('assert');
    await load(itsTest);
  });
});
