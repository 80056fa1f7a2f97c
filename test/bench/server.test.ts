import { describe, expect, test } from 'vitest';
import { samplePlugins } from '../../bench/peers/qpsmtpd.ts';
import { PEERS, BASE } from '../../bench/peers/all-peers.ts';
import { hasSettled, messagesFor } from '../../bench/server/measure.ts';
import { parseServerOptions } from '../../bench/server/options.ts';
import { cpuSecondsOf, memoryOf, parseStat, treeOf } from '../../bench/server/process-tree.ts';
import { WORKLOADS } from '../../bench/server/workloads.ts';

describe('the cost of a process tree', () => {
  test('a line of /proc/PID/stat is read whatever the name of the program holds', () => {
    const fields = [
      'S',
      '7',
      '42',
      '42',
      '0',
      '-1',
      '0',
      '0',
      '0',
      '0',
      '0',
      '11',
      '13',
      '17',
      '19',
      '20',
      '0',
    ];
    expect(parseStat(`42 (a) b (c)) ${fields.join(' ')}`)).toEqual({ pid: 42, parent: 7, ticks: 60 });
  });

  test('the tree is the process and all below it, and nobody else', () => {
    const stat = (pid: number, parent: number) => ({ pid, parent, ticks: 1 });
    const all = [stat(1, 0), stat(10, 1), stat(11, 10), stat(12, 11), stat(20, 1)];
    expect(treeOf(10, all).map(({ pid }) => pid)).toEqual([10, 11, 12]);
    expect(treeOf(99, all)).toEqual([]);
  });

  test('this process has used time and memory', () => {
    expect(cpuSecondsOf(process.pid)).toBeGreaterThan(0);
    const { processes, rssKiB, pssKiB } = memoryOf(process.pid);
    expect(processes).toBeGreaterThanOrEqual(1);
    expect(rssKiB).toBeGreaterThan(10_000);
    expect(pssKiB).toBeLessThanOrEqual(rssKiB);
  });
});

describe('how long a run is', () => {
  const amount = { cpuSeconds: 1, seconds: 5, warmUpCpuSeconds: 1, warmsAlways: true };

  test('as many messages as take the processor time that is aimed at', () => {
    expect(messagesFor({ messages: 100, cpuSeconds: 0.1, seconds: 0.2 }, amount, 10)).toBe(1_000);
  });

  test('fewer where a server waits more than it works', () => {
    expect(messagesFor({ messages: 100, cpuSeconds: 0.01, seconds: 2 }, amount, 10)).toBe(250);
  });

  test('never fewer than the workload needs, and no endless run where no cost was seen', () => {
    expect(messagesFor({ messages: 4, cpuSeconds: 4, seconds: 4 }, amount, 40)).toBe(40);
    expect(messagesFor({ messages: 100, cpuSeconds: 0, seconds: 0.01 }, amount, 10)).toBeLessThanOrEqual(
      20_000,
    );
  });
});

describe('the warm-up of a server', () => {
  test('goes on while a message becomes cheaper from run to run', () => {
    expect(hasSettled({ messages: 40, cpuSeconds: 0.1 }, { messages: 600, cpuSeconds: 0.6 })).toBe(false);
    expect(hasSettled({ messages: 600, cpuSeconds: 0.6 }, { messages: 1_500, cpuSeconds: 0.9 })).toBe(false);
  });

  test('is over when it stands still, or where a busy machine made it dearer', () => {
    expect(hasSettled({ messages: 1_500, cpuSeconds: 0.9 }, { messages: 2_500, cpuSeconds: 1.45 })).toBe(
      true,
    );
    expect(hasSettled({ messages: 1_500, cpuSeconds: 0.9 }, { messages: 2_500, cpuSeconds: 2 })).toBe(true);
  });
});

describe('the choice of what to run', () => {
  test('without --only everything runs', () => {
    const options = parseServerOptions([]);
    expect(options.servers).toEqual(PEERS.map(({ name }) => name));
    expect(options.workloads).toEqual(WORKLOADS.map(({ id }) => id));
    expect(options.measuresIdle).toBe(true);
  });

  test('a server named alone runs through everything; a workload named alone is met by all', () => {
    expect(parseServerOptions(['--only', 'haraka'])).toMatchObject({
      servers: ['haraka'],
      measuresIdle: true,
    });
    const options = parseServerOptions(['--only', 'W1,haraka', '--only', 'recipients']);
    expect(options).toMatchObject({
      servers: ['haraka'],
      workloads: ['W1'],
      charts: ['recipients'],
      measuresIdle: false,
    });
    expect(parseServerOptions(['--only', 'W2']).servers).toHaveLength(PEERS.length);
  });

  test('what is not known is an error that names what is', () => {
    expect(() => parseServerOptions(['--only', 'sendmail'])).toThrow(/there is c-floor, node-floor/);
    expect(() => parseServerOptions(['--rounds', '0'])).toThrow(/--rounds 0/);
  });
});

describe('who takes part', () => {
  test('every peer says how it is configured, and the base is among them', () => {
    for (const { settings } of PEERS) expect(settings.length).toBeGreaterThan(0);
    expect(PEERS.map(({ name }) => name)).toContain(BASE);
    expect(new Set(PEERS.map(({ name }) => name)).size).toBe(PEERS.length);
  });

  test('the sample plugins that are measured ask nobody else and end with a queue that discards', () => {
    const plugins = samplePlugins();
    expect(plugins).toContain('rcpt_ok');
    expect(plugins.at(-1)).toBe('queue/discard');
    expect(plugins.filter((plugin) => plugin.startsWith('queue/'))).toHaveLength(1);
    expect(plugins.join('\n')).not.toMatch(/^(dnsbl|virus|spamassassin|#)/m);
  });
});
