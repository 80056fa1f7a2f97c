/** Root looks into what belongs to the daemon's user, and leaves nothing of its own there. */

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { outlet } from '../delivery/hop-closers.ts';
import { mailTo } from '../delivery/mail-object.ts';
import type { ScriptedHop } from '../delivery/scripted-hop.ts';
import { RunningDaemon } from './daemon.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/host/cli/qpsmtpd.js', import.meta.url));
/** A user without an account: a container need not have one. */
const OWNER = 54_321;
const isRoot = process.getuid?.() === 0;

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Everybody may walk through it, as through /var/spool. */
function openFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-root-'));
  folders.push(folder);
  chmodSync(folder, 0o755);
  return folder;
}

const below = (path: string): string[] => [
  path,
  ...(lstatSync(path).isDirectory() ? readdirSync(path).flatMap((name) => below(join(path, name))) : []),
];

const ownersBelow = (path: string): number[] => [...new Set(below(path).map((one) => lstatSync(one).uid))];

function qpsmtpd(...words: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...words], { encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

/** A configuration whose daemon has run as root, and then left everything to its user. */
async function abandoned(lines: (folder: string) => string, files: Readonly<Record<string, string>> = {}) {
  const folder = openFolder();
  const [config, home] = [join(folder, 'config'), join(folder, 'home')];
  mkdirSync(config);
  mkdirSync(home);
  const all = { me: 'mx.test', rcpthosts: 'example.test', plugins: lines(home), ...files };
  for (const [name, text] of Object.entries(all)) writeFileSync(join(config, name), `${text}\n`);
  const daemon = await RunningDaemon.start({ config });
  const client = outlet([{ port: daemon.port } as ScriptedHop]);
  expect(await client.deliver(mailTo(['a@example.test']))).toMatchObject([{ kind: 'delivered' }]);
  client.close();
  await daemon.end();
  return { config, home };
}

function leaveTo(owner: number, path: string): void {
  for (const one of below(path)) chownSync(one, owner, owner);
}

describe.runIf(isRoot)('root', () => {
  test('looks into the spool of another user, and changes it, as that user', async () => {
    const { config, home } = await abandoned(
      (folder) => `rcpt_ok\nqueue/spool ${folder}/out min_free 0 via smtp-forward 127.0.0.1 9`,
    );
    leaveTo(OWNER, home);
    const list = qpsmtpd('queue', 'ls', '--config', config);
    expect(list.err).toBe('');
    expect(list.out).toContain('<s@c.example> <a@example.test>');
    const [id = ''] = readdirSync(join(home, 'out', 'new'));
    for (const words of [['show', id], ['hold', id], ['check'], ['rm', id]]) {
      const { code, err } = qpsmtpd('queue', ...words, '--config', config);
      expect(err).toBe('');
      expect(code).toBe(0);
    }
    expect(readdirSync(join(home, 'out', 'new'))).toEqual([]);
    expect(ownersBelow(home)).toEqual([OWNER]);
  });

  test.each([
    ['where the plugin says', (folder: string) => `karma db_dir ${folder}/store`, {}],
    ['where the daemon has it by default', () => 'karma', { isDefault: true }],
  ])(
    'looks into the store of another user %s',
    async (_, line, { isDefault = false }: { isDefault?: boolean }) => {
      const place = openFolder();
      const { config, home } = await abandoned(
        (folder) => `${line(folder)}\nrcpt_ok\nqueue/maildir ${folder}/Maildir`,
        { spool_dir: join(place, 'qpsmtpd-spool-0') },
      );
      const made = isDefault ? join(place, 'qpsmtpd-store-0') : join(home, 'store');
      expect(existsSync(made)).toBe(true);
      const store = isDefault ? join(place, `qpsmtpd-store-${OWNER}`) : made;
      spawnSync('mv', ['-T', made, store]);
      leaveTo(OWNER, store);
      const list = qpsmtpd('karma', 'list', '--config', config);
      expect(list.err).toBe('');
      expect(list.out).toMatch(/\d+ addresses: /);
      expect(qpsmtpd('karma', 'capture', '192.0.2.9', '--config', config)).toMatchObject({
        code: 0,
        err: '',
      });
      expect(qpsmtpd('karma', 'list', '--config', config).out).toContain('192.0.2.9');
      expect(ownersBelow(store)).toEqual([OWNER]);
      if (!isDefault) return;
      expect(existsSync(made)).toBe(false);
      const second = join(place, 'qpsmtpd-store-54322');
      spawnSync('cp', ['-r', store, second]);
      leaveTo(54_322, second);
      expect(qpsmtpd('karma', 'list', '--config', config).err).toContain("which store is the daemon's?");
    },
  );

  describe('checks a configuration', () => {
    /** Files in `config`, an empty folder `home` beside it. */
    function configured(files: (home: string) => Readonly<Record<string, string>>) {
      const folder = openFolder();
      const [config, home] = [join(folder, 'config'), join(folder, 'home')];
      mkdirSync(config);
      mkdirSync(home);
      for (const [name, text] of Object.entries(files(home))) writeFileSync(join(config, name), `${text}\n`);
      return { config, home };
    }

    const usual = (home: string) => ({
      plugins: `karma db_dir ${home}/store\nrcpt_ok\nqueue/spool ${home}/out via maildir ${home}/Maildir`,
      spool_dir: `${home}/spool`,
    });

    test('with the rights of --user, and makes nothing', () => {
      const { config, home } = configured(usual);
      const refused = qpsmtpd('check', '--config', config, '--user', 'nobody');
      expect(refused.code).toBe(78);
      expect(refused.err.trim().split('\n')).toEqual([
        expect.stringMatching(/plugins:1: karma: .*store can't be made: user nobody/),
        expect.stringMatching(/plugins:3: queue\/spool: .*out can't be made: user nobody/),
        expect.stringMatching(/plugins:3: .*Maildir.* can't be used: user nobody/),
        expect.stringMatching(/spool_dir:1: .*spool can't be made: user nobody/),
      ]);
      for (const line of refused.err.trim().split('\n'))
        expect(line).toContain(`may not write to the directory ${home} (EACCES) (`);
      expect(readdirSync(home)).toEqual([]);
      chownSync(home, 65_534, 65_534);
      const taken = qpsmtpd('check', '--config', config, '--user', 'nobody');
      expect([taken.code, taken.err]).toEqual([0, expect.not.stringContaining('checked as root')]);
      for (const name of ['store', 'out', 'Maildir', 'spool'])
        expect(taken.out).toContain(`\n      ${home}/${name}\n`);
      expect(readdirSync(home)).toEqual([]);
    });

    test('without --user as root, and says so', () => {
      const { config, home } = configured(usual);
      const { code, err } = qpsmtpd('check', '--config', config);
      expect(code).toBe(0);
      expect(err).toContain('checked as root: name the user as whom the daemon is to run with --user');
      expect(readdirSync(home)).toEqual([]);
    });

    test("and is never told to take over the daemon's folders", () => {
      const { config, home } = configured(usual);
      for (const name of ['store', 'out', 'spool']) {
        mkdirSync(join(home, name), { mode: 0o700 });
        chownSync(join(home, name), OWNER, OWNER);
      }
      const { code, err } = qpsmtpd('check', '--config', config);
      expect(code).toBe(78);
      expect(err).not.toContain('chown');
      expect(err.match(new RegExp(`run as user ${OWNER}: name it with --user`, 'g'))).toHaveLength(3);
    });

    test('as a user that does not exist', () => {
      const { config } = configured(usual);
      const { code, err } = qpsmtpd('check', '--config', config, '--user', 'no_such_user');
      expect([code, err]).toEqual([77, expect.stringContaining('there is no user no_such_user')]);
    });
  });
});
