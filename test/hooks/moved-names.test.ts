/** Plugins written for what the API once had are stopped, with file, line and the new place. */

import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadPlugins } from '../../host/hooks/plugin-loader.ts';
import { MOVED_EXPORTS, MOVED_SERVICES } from '../../host/hooks/moved-names.ts';
import { folder } from '../message/folder.ts';
import { collectingLogger, fakeConfig, fakeServices } from './plugin-context.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** The error with which a plugin of these lines is refused. */
async function refusal(root: string, lines: readonly string[]): Promise<Error & { code?: string }> {
  writeFileSync(join(root, 'former.mjs'), `${lines.join('\n')}\n`);
  const { logger } = collectingLogger();
  const environment = { config: fakeConfig({}), services: fakeServices(), logger, pluginDirs: [root] };
  const line = { text: 'former', place: { file: 'config/plugins', line: 3 } };
  return loadPlugins([line], environment).then(
    () => {
      throw new Error('it was loaded');
    },
    (error: unknown) => error as Error,
  );
}

/** What `qpsmtpd check`, as built, says of it. */
function check(root: string, lines: readonly string[]): { status: number | null; stderr: string } {
  writeFileSync(join(root, 'former.mjs'), `${lines.join('\n')}\n`);
  writeFileSync(join(root, 'plugins'), 'rcpt_ok\nformer\n');
  writeFileSync(join(root, 'plugin_dirs'), `${root}\n`);
  const args = [join(ROOT, 'bin/qpsmtpd.cjs'), 'check', '--config', root];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return { status, stderr };
}

describe('an import that has moved', () => {
  test('is named with file, line and the new place', () => {
    const root = folder();
    const { status, stderr } = check(root, [
      "import { definePlugin } from 'qpsmtpd/plugin';",
      "import { AddressList } from 'qpsmtpd/plugin';",
      "export default definePlugin({ name: 'former', about: '', hooks: {} });",
    ]);
    expect(stderr).toContain(
      `${root}/plugins:2: former: ${root}/former.mjs can't be loaded: AddressList is not in qpsmtpd/plugin any more ` +
        `(${root}/former.mjs:2) (import it from 'qpsmtpd/lists')\n`,
    );
    expect(status).toBe(78);
  });

  test('is found in a file that the plugin imports, too, and another missing name has its line', () => {
    const root = folder();
    writeFileSync(
      join(root, 'part.mjs'),
      "\nimport { parseKarma } from 'qpsmtpd/plugin';\nexport const p = parseKarma;\n",
    );
    const { stderr } = check(root, ["import './part.mjs';", 'export default {};']);
    expect(stderr).toContain(`(${root}/part.mjs:2) (import it from 'qpsmtpd/plugins/karma/record')`);
    const { stderr: unknown } = check(root, [
      "import { never } from 'qpsmtpd/plugin';",
      'export default {};',
    ]);
    expect(unknown).toContain(`does not provide an export named 'never' (${root}/former.mjs:1)`);
  });

  test.each([...MOVED_EXPORTS].filter(([, remedy]) => remedy.startsWith('import it from')))(
    '%s is where it is said to be',
    async (name, remedy) => {
      const module = /'qpsmtpd\/(.*)'/.exec(remedy)![1]!.replace(/^(lists|wire)$/, 'bindings/$1');
      const path = [`${module}.ts`, `${module}/index.ts`].find((file) => existsSync(join(ROOT, file)))!;
      expect(await import(join(ROOT, path))).toHaveProperty(name);
    },
  );
});

describe('a service that is gone', () => {
  test.each([...MOVED_SERVICES].filter(([name]) => !(name in fakeServices())))(
    '%s stops a plugin that touches it while it is set up, with file, line and the new place',
    async (name, remedy) => {
      const root = folder();
      const lines = [
        "export default { name: 'former', about: '',",
        '  hooks(setup) {',
        `    const { ${name} } = setup.services;`,
        `    return { connect: () => ${name}.open() };`,
        '  } };',
      ];
      const said = `former: could not be set up: services.${name} is gone (${remedy})`;
      expect(await refusal(root, lines)).toMatchObject({
        code: 'Q_PLUGIN_LOAD',
        message: `config/plugins:3: ${said}`,
      });
      const { status, stderr } = check(root, lines);
      expect(stderr).toContain(`${root}/plugins:2: ${said} (${root}/former.mjs:3)\n`);
      expect(status).toBe(78);
    },
  );

  test('disturbs no plugin that only looks at what there is', async () => {
    const root = folder();
    writeFileSync(
      join(root, 'former.mjs'),
      "export default { name: 'former', about: '', hooks: ({ services }) => ({ connect() { return { ...services }; } }) };\n",
    );
    const { logger } = collectingLogger();
    const environment = { config: fakeConfig({}), services: fakeServices(), logger, pluginDirs: [root] };
    const place = { file: 'config/plugins', line: 1 };
    const [plugin] = await loadPlugins([{ text: 'former', place }], environment);
    expect({ ...plugin!.services }).not.toHaveProperty('maildirs');
    expect(MOVED_SERVICES.has('maildirs')).toBe(true);
  });
});
