/** `qpsmtpd store import` and `qpsmtpd karma`, on databases that Perl made. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { qpsmtpd } from '../../host/cli/main.ts';
import { runGuarded } from '../../host/cli/program.ts';
import { readDbmFile, importEntries } from '../../host/store/dbm-file.ts';
import { importGreylist } from '../../plugins/greylisting/record.ts';
import { temporaryFolder } from './backends.ts';
import { MemoryStores } from '../../host/testing/memory-store.ts';

const NOW = Math.floor(Date.now() / 1_000);
const DAY = 86_400;

/** Writes a database as Qpsmtpd::DB::File::DBM does, in one of the formats that AnyDBM_File may choose. */
function writeDbm(kind: string, path: string, entries: Readonly<Record<string, string>>): boolean {
  const script =
    'use Fcntl; my ($kind, $path, %new) = @ARGV; eval "require $kind; 1" or exit 3;' +
    'my $flags = $kind eq "GDBM_File" ? GDBM_File::GDBM_WRCREAT() : O_CREAT | O_RDWR;' +
    'tie(my %db, $kind, $path, $flags, 0640) or die "$!"; $db{$_} = $new{$_} for keys %new;';
  const { status, stderr, error } = spawnSync('perl', [
    '-e',
    script,
    kind,
    path,
    ...Object.entries(entries).flat(),
  ]);
  if (status === 3 || error !== undefined) return false;
  if (status !== 0) throw new Error(stderr.toString());
  return true;
}

const folder = temporaryFolder();
const hasBerkeley = writeDbm('DB_File', join(folder, 'probe.dbm'), {});
if (!hasBerkeley) {
  if (process.env['CI'] !== undefined) throw new Error('perl with DB_File is missing');
  process.stderr.write('perl with DB_File is missing: the tests of the import are skipped\n');
}
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const GREYLIST = {
  '3232235777': `${NOW - 100}:1:2:0`,
  '3232235778:a@b.example': `${NOW - 10 * DAY}:1:2:7`,
  '42540766411282592856903984951653826561': `${NOW}:1:0:0`,
  '192.168.1.4': `${NOW}:1:0:0`,
  '3232235779': `${NOW - 37 * DAY}:1:0:0`,
  '3232235780': 'rubbish',
};
const KARMA = {
  '3221225987': `${NOW - 3_600}:4:1:9`,
  '3221225988': '0:0:12:12',
  // karma_tool leaves counts out that it does not know.
  '3221225989': `${NOW}:1::`,
  '3221225990': 'rubbish',
};

async function command(...words: string[]): Promise<{ code: number; out: string[]; err: string[] }> {
  const [out, err]: string[][] = [[], []];
  const never = (): never => {
    throw new Error('no daemon is needed');
  };
  const loader = { bind: never, load: never, clearStaleSockets: never };
  const terminal = {
    out: (line: string) => void out!.push(line),
    err: (line: string) => void err!.push(line),
  };
  const code = await runGuarded((args, to) => qpsmtpd(args, loader, to), words, terminal);
  return { code, out: out!, err: err! };
}

describe.runIf(hasBerkeley)('the databases of the Perl daemon', () => {
  const config = join(folder, 'config');
  const store = join(folder, 'store');

  beforeAll(() => {
    mkdirSync(config);
    writeFileSync(join(config, 'store_dir'), store);
    writeFileSync(
      join(config, 'plugins'),
      `karma reject 1\ngreylisting black_timeout 3 db_dir ${folder}/grey\n`,
    );
    writeDbm('DB_File', join(folder, 'greylist.dbm'), GREYLIST);
    writeDbm('DB_File', join(folder, 'karma.dbm'), KARMA);
  });

  test.for(['DB_File', 'GDBM_File', 'NDBM_File', 'SDBM_File'])(
    'are read in the format of %s',
    async (kind, { skip }) => {
      const path = join(folder, `${kind}.dbm`);
      if (!writeDbm(kind, path, GREYLIST)) skip(`perl has no ${kind}`);
      const file = /^[NS]/.test(kind) ? `${path}.pag` : path;
      expect(Object.fromEntries(await readDbmFile(file))).toEqual(GREYLIST);
    },
  );

  test('are imported once: what the store knows already stays, what is too old does not come', async () => {
    const files = ['greylist.dbm', 'karma.dbm'].map((name) => join(folder, name));
    expect(await command('store', 'import', ...files, '--config', config)).toEqual({
      code: 0,
      err: [],
      out: [
        `${files[0]}: 4 of 6 entries imported into lmdb:${folder}/grey (0 known already, 1 expired, 1 not understood)`,
        `${files[1]}: 3 of 4 entries imported into lmdb:${store} (0 known already, 0 expired, 1 not understood)`,
      ],
    });
    const { out } = await command('store', 'import', files[1]!, '--config', config);
    expect(out[0]).toContain('0 of 4 entries imported');
  });

  test('show in `karma list` and `karma search`', async () => {
    const listed = await command('karma', 'list', '--config', config);
    expect(listed.out[0]).toBe(`using karma db at lmdb:${store}`);
    expect(listed.out[1]).toBe(
      '      IP Address                 Penalty        Naughty  Nice  Connects  Hostname',
    );
    expect(listed.out[2]).toMatch(
      /^ 192\.0\.2\.3 {19}[A-Z][a-z]{2} [A-Z][a-z]{2} [\d ]\d \d\d:\d\d {6}4 {7}1 {7}9 {34}$/,
    );
    expect(listed.out[3]).toBe(` 192.0.2.4${' '.repeat(48)}12      12${' '.repeat(34)}`);
    expect(listed.out.at(-1)).toBe('3 addresses: 5 naughty, 13 nice, 21 connects');
    const found = async (kind: string): Promise<string[]> =>
      (await command('karma', 'search', kind, '--config', config)).out
        .slice(2, -1)
        .map((line) => line.trim().split(/\s+/)[0]!);
    expect(await found('naughty')).toEqual(['192.0.2.3', '192.0.2.5']);
    expect(await found('nice')).toEqual(['192.0.2.3', '192.0.2.4']);
    expect(await found('both')).toEqual(['192.0.2.3']);
  });

  test('`karma capture`, `release` and `prune` change what is listed', async () => {
    const row = async (): Promise<string | undefined> => {
      const { out } = await command('karma', 'list', '--config', config);
      return out.find((line) => line.includes('192.0.2.4'));
    };
    await command('karma', 'capture', '192.0.2.4', '--config', config);
    expect(await row()).toMatch(/:\d\d +1 +12 +12 +$/);
    await command('karma', 'release', '192.0.2.4', '--config', config);
    expect(await row()).toMatch(/^ 192\.0\.2\.4 +12 +12 +$/);
    expect((await command('karma', 'prune', '1', '--config', config)).out[1]).toBe('pruned 0 entries');
    expect((await command('karma', 'prune', '0', '--config', config)).out[1]).toBe('pruned 3 entries');
  });

  test.each([
    [['store'], 64, 'store import FILE...'],
    [['store', 'import'], 64, 'no file is named'],
    [['store', 'import', 'other.dbm'], 64, 'neither called greylist.dbm nor karma.dbm'],
    [['store', 'import', join(folder, 'none', 'karma.dbm')], 70, "can't be read"],
    [['karma'], 64, 'karma needs an action: list, search, prune, capture, release'],
    [['karma', 'lst'], 64, 'did you mean list?'],
    [['karma', 'capture'], 64, 'an IP address is missing'],
    [['karma', 'capture', '1.2.3'], 64, 'not an IP: 1.2.3'],
    [['karma', 'search', 'nasty'], 64, 'not an IP: nasty'],
    [['karma', 'prune', 'all'], 64, '"all" is no whole number'],
  ])('qpsmtpd %j ends with %i', async (words, code, problem) => {
    const ended = await command(...words, '--config', config);
    expect(ended.code).toBe(code);
    expect(ended.err.join()).toContain(problem);
  });

  test('a command makes no store: the daemon could not open one that root has made', async () => {
    const other = join(folder, 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'store_dir'), join(folder, 'nowhere'));
    const { err } = await command('karma', 'list', '--config', other);
    expect(err.join()).toContain(`there is no store in ${folder}/nowhere yet`);
  });

  test('without perl the error says what to do; a file that is none is said to be none', async () => {
    await expect(readDbmFile(join(folder, 'karma.dbm'), join(folder, 'no-perl'))).rejects.toThrow(
      'install perl',
    );
    writeFileSync(join(folder, 'text.dbm'), 'not a database\n'.repeat(100));
    await expect(readDbmFile(join(folder, 'text.dbm'))).rejects.toThrow(
      /is no database that Perl can read: no DB_File/,
    );
  });
});

test('an imported greylist entry lives on as long as it would have: 36 days from its time', async () => {
  const clock = { ms: NOW * 1_000, now: () => clock.ms };
  const store = new MemoryStores(clock).open('greylist');
  const days = [0, 1, 30, 60];
  const entries = days.map((age) => [`${age} days old`, `${NOW - age * DAY}:1:0:0`] as const);
  expect(await importEntries(store, importGreylist, entries, clock.now())).toMatchObject({
    imported: 3,
    expired: 1,
  });
  const left = async (): Promise<string[]> => {
    const keys: string[] = [];
    for await (const [key] of store.scan()) keys.push(key);
    return keys;
  };
  expect(await left()).toEqual(['0 days old', '1 days old', '30 days old']);
  clock.ms += 7 * DAY * 1_000;
  expect(await left()).toEqual(['0 days old', '1 days old']);
  clock.ms += 30 * DAY * 1_000;
  expect(await left()).toEqual([]);
});
