/** Lists in files of this host: loaded once, exchanged while they answer, and never a reason to refuse anybody when they are broken. */

import { describe, expect, test } from 'vitest';
import { definePlugin, type Setup } from '../../bindings/plugin/index.ts';
import { MemoryFiles, testPlugin, type TestPluginOptions } from '../../host/testing/index.ts';
import { ConfiguredLists } from '../../plugins/dns-lists/configured-lists.ts';
import { LocalList } from '../../plugins/dns-lists/local-list.ts';
import type { ListKind } from '../../plugins/dns-lists/self-test.ts';
import type { ListAnswer } from '../../plugins/dns-lists/dns-list.ts';
import {
  ZoneFiles,
  type ZoneFile,
  type ZoneFileOptions,
} from '../../plugins/dns-lists/zone-files/zone-file.ts';

const PATH = '/lists/bad';

/** A plugin's list of the file, with the clock and the log of the plugin. */
function open(
  content: string,
  options: Partial<ZoneFileOptions> = {},
  environment: Pick<TestPluginOptions, 'services'> = {},
) {
  const files = new MemoryFiles({ [PATH]: content });
  let file: ZoneFile | undefined;
  let setUp: Setup<unknown> | undefined;
  let zoneFiles: ZoneFiles | undefined;
  const plugin = testPlugin(
    definePlugin({
      name: 'listed',
      about: 'Has a list.',
      hooks(setup) {
        setUp = setup;
        zoneFiles = new ZoneFiles(setup.services, setup.log);
        file = zoneFiles.open({ paths: [PATH], format: 'ip4set', ...options });
        return {};
      },
    }),
    { files, ...environment },
  );
  const list = new LocalList('bad.local', file!, setUp!.services.clock);
  /** Long enough for the next look at the file, and until what came of it is there. */
  const look = async (): Promise<void> => {
    plugin.clock.advance(1_000);
    list.askNow('192.0.2.1');
    await file!.load();
  };
  return { files, list, look, log: plugin.log, plugin, zoneFiles: zoneFiles! };
}

const shown = async (answer: ListAnswer | undefined): Promise<unknown> => {
  if (answer?.state === 'failed') return answer.reason;
  return answer?.state === 'listed' ? [...answer.codes, await answer.text()] : answer?.state;
};

describe('a local list', () => {
  test('answers at once after its first reading, and `ask` waits for that', async () => {
    const { list, log } = open(':4:listed: $\n192.0.2.0/24');
    expect(list.name).toBe('bad.local');
    expect(list.askNow('192.0.2.1')).toBeUndefined();
    expect(await shown(await list.ask('192.0.2.1'))).toEqual(['127.0.0.4', 'listed: 192.0.2.1']);
    expect(await shown(list.askNow('192.0.2.1'))).toEqual(['127.0.0.4', 'listed: 192.0.2.1']);
    expect(list.askNow('198.51.100.1')).toEqual({ state: 'not listed' });
    expect(log).toEqual([expect.stringMatching(/listed: \/lists\/bad: 1 entries, 1 kB in memory$/)]);
  });

  test('is waited for no longer than one may wait: then it has failed', async () => {
    const workers = {
      open: () => ({ run: () => new Promise<never>(() => undefined), close: () => undefined }),
    };
    const { list } = open('192.0.2.1', {}, { services: { workers } });
    expect(await list.ask('192.0.2.1', { timeoutMs: 1 })).toEqual({
      state: 'failed',
      reason: 'the file is still being read',
    });
    const signal = AbortSignal.abort();
    expect(await list.ask('192.0.2.1', { signal })).toMatchObject({ state: 'failed' });
  });

  test('takes another file over, and answers from the old one until then', async () => {
    const { files, list, look } = open('192.0.2.1');
    await list.ask('192.0.2.1');
    files.write(PATH, '192.0.2.2');
    // It is looked at once a second.
    expect(list.askNow('192.0.2.1')?.state).toBe('listed');
    await look();
    expect(list.askNow('192.0.2.1')?.state).toBe('not listed');
    expect(list.askNow('192.0.2.2')?.state).toBe('listed');
  });

  test('a file that is not changed is not read again', async () => {
    const { list, log, look } = open('192.0.2.1');
    await list.ask('192.0.2.1');
    await look();
    await look();
    expect(log).toHaveLength(1);
  });

  test.each([
    ['without a line that can be read', 'rubbish\nmore', 'no zone of this format'],
    ['of a time to come', '192.0.2.2\n$TIMESTAMP 2099:01:01\n', 'no zone of this format'],
  ])('a file %s leaves what was read before, with a loud line', async (_, content, problem) => {
    const { files, list, log, look } = open('192.0.2.1');
    await list.ask('192.0.2.1');
    files.write(PATH, content);
    await look();
    await look();
    expect(list.askNow('192.0.2.1')?.state).toBe('listed');
    expect(log.slice(1)).toEqual([expect.stringContaining(problem)]);
    expect(log[1]).toMatch(/\/lists\/bad line \d: .*; what was read before still counts$/);
  });

  test('a file that is gone, or that may not be read, leaves what was read before', async () => {
    const { files, list, log, look } = open('192.0.2.1');
    await list.ask('192.0.2.1');
    files.remove(PATH);
    await look();
    expect(list.askNow('192.0.2.1')?.state).toBe('listed');
    files.fail(PATH);
    await look();
    expect(list.askNow('192.0.2.1')?.state).toBe('listed');
    files.write(PATH, '192.0.2.2');
    await look();
    expect(list.askNow('192.0.2.2')?.state).toBe('listed');
    expect(log.slice(1)).toEqual([
      expect.stringMatching(/\/lists\/bad: can't be read: ENOENT; what was read before still counts$/),
      expect.stringMatching(/\/lists\/bad: can't be read: EIO; what was read before still counts$/),
      expect.stringMatching(/\/lists\/bad: 1 entries, 1 kB in memory$/),
    ]);
  });

  test('a first file that is no zone lists nobody: the list has failed', async () => {
    const { files, list, log, look } = open('rubbish');
    const reason = '/lists/bad line 1: no entry of this format: no zone of this format';
    expect(await list.ask('192.0.2.1')).toEqual({ state: 'failed', reason });
    expect(list.askNow('192.0.2.1')).toEqual({ state: 'failed', reason });
    expect(log).toEqual([expect.stringContaining(`${reason}; it lists nobody`)]);
    files.write(PATH, '192.0.2.1');
    await look();
    expect(list.askNow('192.0.2.1')?.state).toBe('listed');
  });

  test('lines that cannot be read are left out, named and counted', async () => {
    const { list, log } = open(`192.0.2.1\n${'x\n'.repeat(8)}192.0.2.300`);
    expect((await list.ask('192.0.2.1')).state).toBe('listed');
    const lines = [2, 3, 4, 5, 6].map((line) => `left out: /lists/bad line ${line}: no entry of this format`);
    expect(log.map((line) => line.replace(/^.*?listed: /, ''))).toEqual([
      ...lines,
      'left out: 4 more lines of /lists/bad',
      '/lists/bad: 1 entries, 1 kB in memory',
    ]);
  });

  test('data that are too old list nobody', async () => {
    const { list, plugin } = open('192.0.2.1\n$TIMESTAMP 0 2026:06:01');
    plugin.clock.advance(Math.max(0, Date.UTC(2026, 4, 31) - plugin.clock.now()));
    expect((await list.ask('192.0.2.1')).state).toBe('listed');
    plugin.clock.advance(Date.UTC(2026, 5, 2) - plugin.clock.now());
    expect(list.askNow('192.0.2.1')).toEqual({
      state: 'failed',
      reason: 'the data have expired ($TIMESTAMP)',
    });
  });

  test('codes that say that a list does not answer are no listings here either', async () => {
    const { list } = open('192.0.2.1 :127.255.255.254:x\n192.0.2.2 :1:x');
    expect((await list.ask('192.0.2.1')).state).toBe('failed');
    expect(list.askNow('192.0.2.2')?.state).toBe('failed');
  });

  test('several files are one list', async () => {
    const files = { services: { files: new MemoryFiles({ a: '!192.0.2.1', b: '192.0.2.0/24' }) } };
    const { list } = open('', { paths: ['a', 'b'] }, files);
    expect((await list.ask('192.0.2.1')).state).toBe('not listed');
    expect(list.askNow('192.0.2.2')?.state).toBe('listed');
  });

  test('a file that is missing keeps a server from starting', () => {
    expect(() => open('', { paths: ['/nowhere'] })).toThrow("/nowhere: can't be read: ENOENT");
  });
});

describe('lines that name a file', () => {
  function plugin(kind: ListKind, lines: readonly string[], files: Record<string, string>) {
    let lists: ConfiguredLists | undefined;
    const tested = testPlugin(
      definePlugin({
        name: 'lists',
        about: 'Has lists.',
        hooks(setup) {
          lists = new ConfiguredLists(setup, 'zones', kind);
          return { 'post-fork': () => lists!.begin() };
        },
      }),
      { config: { zones: lines }, files },
    );
    return { tested, lists: lists! };
  }
  const answersOf = (lists: ConfiguredLists, subject: string): unknown[] =>
    lists.entries.map(({ list }) => list.askNow?.(subject)?.state);

  test('are read before the first client, one list for all lines of a file', async () => {
    const { lists, tested } = plugin(
      'addresses',
      [
        'own.example=127.0.0.2 file=/a format=ip4set',
        'own.example=127.0.0.3*2 file=/a format=ip4set',
        'six.example file=/b format=ip6trie',
        'zen.example test=no',
      ],
      { '/a': '192.0.2.1', '/b': '2001:db8::/32' },
    );
    await tested.prepare();
    expect(lists.entries.map(({ list }) => list.name)).toEqual(['own.example', 'six.example', 'zen.example']);
    expect(answersOf(lists, '192.0.2.1')).toEqual(['listed', 'not listed', undefined]);
    expect(answersOf(lists, '2001:db8::1')).toEqual(['not listed', 'listed', undefined]);
    await tested.close();
  });

  test('a changed list of lines keeps what was read', async () => {
    const { lists, tested } = plugin('domains', ['a.example file=/a format=dnset'], { '/a': 'x.example' });
    await tested.prepare();
    const [before] = lists.entries;
    tested.config.write('zones', ['b.example file=/a format=dnset', 'a.example file=/a format=dnset']);
    expect(lists.entries[1]?.list).toBe(before?.list);
    expect((await lists.entries[0]!.list.ask('x.example')).state).toBe('listed');
    await tested.close();
  });

  test.each([
    ['own.example file=/nowhere format=dnset', "/nowhere: can't be read: ENOENT"],
    ['own.example file=/a format=ip4set', 'own.example has domains, and format=ip4set addresses'],
  ])('keeps a server from starting: %s', (line, problem) => {
    expect(() => plugin('domains', [line], { '/a': '' })).toThrow(problem);
  });

  test('`check` names a file that is no zone', async () => {
    const { tested } = plugin('domains', ['own.example file=/a format=dnset'], { '/a': '*' });
    expect(await tested.check()).toEqual([
      {
        headline: 'lists in files that cannot be read, and that list nobody:',
        items: [
          expect.stringMatching(
            /\/zones: own\.example: \/a line 1: no domain, `\*\.domain` or `\.domain`: no zone of this format$/,
          ),
        ],
        remedy: 'correct the file, or the `format=` of the list',
      },
    ]);
    const { tested: good } = plugin('domains', ['own.example file=/a format=dnset'], { '/a': 'x.example' });
    expect(await good.check()).toEqual([]);
  });
});
