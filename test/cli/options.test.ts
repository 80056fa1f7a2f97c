import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { anyAddress, listenSpecs } from '../../host/intake/listen-spec.ts';
import { readForkserverOptions } from '../../host/cli/forkserver.ts';
import { readAsyncOptions } from '../../host/cli/async.ts';
import { readPreforkOptions } from '../../host/cli/prefork.ts';
import { readServeOptions } from '../../host/cli/serve-command.ts';
import { exitCodeOf } from '../../host/process/exit-code.ts';

/** The message of the error that `read` throws; it must be one of usage, which exits with 64. */
function refusalOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    expect(exitCodeOf(error)).toBe(64);
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error('nothing was refused');
}

const words = (line: string): string[] => line.split(' ').filter((word) => word !== '');

describe('the options of qpsmtpd serve', () => {
  it('have defaults: every address, one worker per processor, no limits, 30 s of grace', () => {
    expect(readServeOptions([])).toMatchObject({
      configDir: undefined,
      listen: [`tcp://${anyAddress()}:2525`],
      isListenTacit: true,
      workers: availableParallelism(),
      pidFile: undefined,
      readyDescriptor: undefined,
      graceMs: 30_000,
      maxConnections: undefined,
      maxFromIp: undefined,
      user: undefined,
    });
  });

  it('are read as given', () => {
    const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-options-'));
    const line =
      '--listen tcp://127.0.0.1:2525 --listen=tcp://[::1]:25 --workers 3 --pid-file /run/q.pid --ready-fd 4 --grace 5 ' +
      '--max-connections 100 --max-from-ip 7 -u mail --config ';
    expect(readServeOptions([...words(line), folder])).toMatchObject({
      configDir: folder,
      listen: ['tcp://127.0.0.1:2525', 'tcp://[::1]:25'],
      isListenTacit: false,
      workers: 3,
      pidFile: '/run/q.pid',
      readyDescriptor: 4,
      graceMs: 5_000,
      maxConnections: 100,
      maxFromIp: 7,
      user: 'mail',
    });
    rmSync(folder, { recursive: true });
  });

  it.each([
    ['--lisen tcp://127.0.0.1:25', 'unknown option --lisen (did you mean --listen?)'],
    ['--max-form-ip 3', 'unknown option --max-form-ip (did you mean --max-from-ip?)'],
    ['--frobnicate', 'unknown option --frobnicate'],
    ['-x', 'unknown option -x'],
    ['--workers', '--workers needs a value: --workers N'],
    ['--listen --grace 3', '--listen needs a value: --listen SPEC'],
    ['--listen=', '--listen needs a value: --listen SPEC'],
    ['--help=yes', '--help takes no value'],
    ['--workers 0', '--workers: "0" is no whole number from 1 to 256'],
    ['--workers 1.5', '--workers: "1.5" is no whole number from 1 to 256'],
    ['--grace=-1', '--grace: "-1" is no whole number from 0 to 3600'],
    ['--max-connections 1e9', '--max-connections: "1e9" is no whole number from 0 to 1000000'],
    [
      '--listen stdin: --workers 2',
      '--workers makes no sense with stdin:, where a process serves one client',
    ],
    [
      '--listen stdin: --pid-file /x',
      '--pid-file makes no sense with stdin:, where a process serves one client',
    ],
    ['extra', '"extra" is not understood: only options are expected'],
  ])('refuse: %s', (line, message) => {
    expect(refusalOf(() => readServeOptions(words(line)))).toBe(message);
  });

  it('refuse a listen spec that cannot be understood before anything is started', () => {
    expect(refusalOf(() => readServeOptions(['--listen', 'localhost:25']))).toContain('localhost:25');
  });

  it('take a folder that is not there for an error of configuration', () => {
    const read = (): unknown => readServeOptions(['--config', '/nonexistent/folder']);
    expect(read).toThrow('/nonexistent/folder: there is no such folder');
    expect(catchError(read)).toBe(78);
  });

  it('take 0 connections of one address for no limit', () => {
    expect(readServeOptions(['--max-from-ip', '0'])).toMatchObject({ maxFromIp: undefined });
  });
});

function catchError(run: () => unknown): number {
  try {
    run();
  } catch (error) {
    return exitCodeOf(error);
  }
  return 0;
}

describe('the options of qpsmtpd-forkserver', () => {
  it('have the defaults of the Perl program', () => {
    expect(readForkserverOptions([])).toMatchObject({
      listen: [`tcp://${anyAddress()}:2525`],
      isListenTacit: true,
      workers: availableParallelism(),
      pidFile: undefined,
      graceMs: 30_000,
      maxConnections: 15,
      maxFromIp: 5,
      user: process.getuid?.() === 0 ? 'smtpd' : undefined,
    });
  });

  it.each([
    ['-l 127.0.0.1', ['tcp://127.0.0.1:2525']],
    ['-l [::1]', ['tcp://[::1]:2525']],
    ['-l 127.0.0.1:26 -p 25 -p 587', ['tcp://127.0.0.1:26']],
    ['-l [::1]:26 -p 25', ['tcp://[::1]:26']],
    [
      '--listen-address 127.0.0.1 -l [::1] -p25 --port=587',
      ['tcp://127.0.0.1:25', 'tcp://127.0.0.1:587', 'tcp://[::1]:25', 'tcp://[::1]:587'],
    ],
  ])('listen on every address with every port: %s', (line, listen) => {
    expect(readForkserverOptions(words(line))).toMatchObject({ listen });
  });

  it('read limits, user and pid file', () => {
    expect(readForkserverOptions(words('-c 200 -m 20 -u mail --pid-file /run/q.pid'))).toMatchObject({
      maxConnections: 200,
      maxFromIp: 20,
      user: 'mail',
      pidFile: '/run/q.pid',
    });
  });

  it.each([
    ['-H', /^-H is not supported: .*leave it out$/],
    ['--no-rdns', /^--no-rdns is not supported: /],
    ['-l ::1', /listen address "tcp:\/\/::1:2525"/],
    ['-l mx.example.com', /"mx.example.com" is no IP address/],
    ['-p 65536', /--port: "65536" is no whole number from 0 to 65535/],
    ['--limit-connection 4', /did you mean --limit-connections\?/],
  ])('refuse: %s', (line, message) => {
    expect(refusalOf(() => readForkserverOptions(words(line)))).toMatch(message);
  });
});

describe('the options of qpsmtpd-async', () => {
  it('have the defaults of the Perl program', () => {
    expect(readAsyncOptions([])).toMatchObject({
      listen: ['tcp://0.0.0.0:2525'],
      workers: 1,
      user: process.getuid?.() === 0 ? 'smtpd' : undefined,
      isDetached: false,
    });
  });

  it('name where to listen, the processes, the user and the pid file', () => {
    const line = '-l 127.0.0.1 -p 25 -j 4 -u mail --pid-file /run/q.pid -d';
    expect(readAsyncOptions(words(line))).toMatchObject({
      listen: ['tcp://127.0.0.1:25'],
      workers: 4,
      user: 'mail',
      pidFile: '/run/q.pid',
      isDetached: true,
    });
  });

  it.each(['--config-port 20025', '--use-poll', '-v', '--verbose'])(
    'refuse, saying what to do instead: %s',
    (line) => {
      const message = refusalOf(() => readAsyncOptions(words(line)));
      expect(message).toMatch(new RegExp(`^${words(line)[0]} is not supported: \\w+ .{20}`));
    },
  );
});

test.each([
  ['serve', readServeOptions, '--detach'],
  ['qpsmtpd-forkserver', readForkserverOptions, '-d'],
  ['qpsmtpd-prefork', readPreforkOptions, '--user mail --detach'],
])('%s goes into the background when it is told to', (_name, read, line) => {
  expect(read(words(line))).toMatchObject({ isDetached: true });
});

describe('the options of qpsmtpd-prefork', () => {
  it('have the defaults of the Perl program, but for the user, who must be named', () => {
    expect(readPreforkOptions(['--user', 'mail'])).toMatchObject({
      listen: [`tcp://${anyAddress()}:25`],
      maxConnections: 15,
      maxFromIp: 10,
      user: 'mail',
      isQuiet: false,
    });
    expect(refusalOf(() => readPreforkOptions([]))).toMatch(/^--user must be given/);
  });

  it('take --interface for --listen-address and --children for the limit of connections', () => {
    const line = '--user mail --interface 127.0.0.1 --listen-address 127.0.0.2:26 --port 2525 --children 40';
    expect(readPreforkOptions(words(line))).toMatchObject({
      listen: ['tcp://127.0.0.2:26', 'tcp://127.0.0.1:2525'],
      maxConnections: 40,
    });
  });

  it('let one address have all connections with --max-from-ip 0', () => {
    const line = '--user mail --children 40 --max-from-ip 0';
    expect(readPreforkOptions(words(line))).toMatchObject({ maxFromIp: 40 });
  });

  it.each(['--idle-children 3', '--pretty-child', '--renice-parent 5', '--debug'])(
    'refuse, saying what to do instead: %s',
    (line) => {
      const option = words(line)[0];
      const message = refusalOf(() => readPreforkOptions(words(`--user mail ${line}`)));
      expect(message).toMatch(new RegExp(`^${option} is not supported: \\w+ .{20}`));
    },
  );
});

describe('the address of a daemon that was not told where to listen', () => {
  const loopback = { address: '::1', netmask: '', mac: '', internal: true, cidr: null };

  it('takes IPv6 and IPv4 where the host has IPv6, else IPv4 alone', () => {
    expect(anyAddress({ lo: [{ ...loopback, family: 'IPv6', scopeid: 0 }] })).toBe('[::]');
    expect(anyAddress({ lo: [{ ...loopback, family: 'IPv4' }] })).toBe('0.0.0.0');
    expect(anyAddress({})).toBe('0.0.0.0');
  });

  it('gives a port only to an address without one', () => {
    expect(listenSpecs(['10.0.0.1:25', '10.0.0.2'], [587])).toEqual([
      'tcp://10.0.0.1:25',
      'tcp://10.0.0.2:587',
    ]);
  });
});
