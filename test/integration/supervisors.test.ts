/** The run files in contrib under runit, daemontools and s6, and what systemd is told. */

import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AS_OURSELVES } from '../process/running-program.ts';
import { Workplace } from './daemon.ts';
import { CLIENT } from './front.ts';
import { describeWith, hasProgram } from './needs.ts';
import { deliver, QPSMTPD, StartedPrograms } from './started.ts';

const CONTRIB = resolve(import.meta.dirname, '../../contrib');

let place: Workplace;
let started: StartedPrograms;
let service: string;
let port: number;

beforeEach(async () => {
  place = new Workplace({ loglevel: '6' });
  started = new StartedPrograms();
  service = join(place.folder, 'service');
  port = await freePort();
  place.write({ listeners: `tcp://127.0.0.1:${port}` });
});
afterEach(async () => {
  await started.end();
  place.remove();
});

/** The service folder of contrib, with settings of the test; the log goes to `log` in the folder of the test. */
function install(name: string, options = '--workers 1 --grace 20'): void {
  cpSync(join(CONTRIB, name), service, { recursive: true });
  const log = join(place.folder, 'log');
  mkdirSync(log, { recursive: true });
  const { username } = userInfo();
  const lines = [`config=${place.config}`, `user=${username}`, `log_user=${username}`, `folder=${log}`];
  writeFileSync(
    join(service, 'settings'),
    `${[...lines, `program=${QPSMTPD}`, `options='${options}'`].join('\n')}\n`,
  );
}

/** What the log run has written. */
function logged(): string {
  const file = join(place.folder, 'log/current');
  return existsSync(file) ? readFileSync(file, 'latin1') : '';
}

interface Supervisor {
  readonly name: string;
  readonly program: string;
  readonly debianPackage: string;
  /** Supervises the service folder, and its log. */
  start(): readonly (readonly string[])[];
  /** The command that sends a signal: `hup`, `term`, `alrm`, or has it end. */
  control(what: 'hup' | 'term' | 'alrm' | 'down'): readonly string[];
  /** The pid it knows of the daemon; undefined: it is down. */
  pid(): number | undefined;
}

const ask = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: 'latin1' });

const SUPERVISORS: readonly Supervisor[] = [
  {
    name: 'runit',
    program: 'runsv',
    debianPackage: 'runit',
    start: () => [['runsv', service]],
    control: (what) => ['sv', { hup: 'hup', term: 'term', alrm: 'alarm', down: 'down' }[what], service],
    pid: () => Number(/^run: [^(]*\(pid (\d+)\)/.exec(ask('sv', 'status', service))?.[1]) || undefined,
  },
  {
    name: 'daemontools',
    program: 'svscan',
    debianPackage: 'daemontools',
    start: () => {
      const services = join(place.folder, 'services');
      mkdirSync(services);
      // svscan starts the log beside a service that is sticky.
      chmodSync(service, 0o1755);
      execFileSync('ln', ['-s', service, join(services, 'qpsmtpd')]);
      return [['svscan', services]];
    },
    control: (what) => ['svc', { hup: '-h', term: '-t', alrm: '-a', down: '-dx' }[what], service],
    pid: () => Number(/up \(pid (\d+)\)/.exec(ask('svstat', service))?.[1]) || undefined,
  },
  {
    name: 's6',
    program: 's6-svscan',
    debianPackage: 's6',
    start: () => {
      const services = join(place.folder, 'services');
      mkdirSync(services);
      execFileSync('ln', ['-s', service, join(services, 'qpsmtpd')]);
      return [['s6-svscan', services]];
    },
    control: (what) => ['s6-svc', { hup: '-h', term: '-t', alrm: '-a', down: '-d' }[what], service],
    pid: () => Number(/up \(pid (\d+)/.exec(ask('s6-svstat', service))?.[1]) || undefined,
  },
];

for (const supervisor of SUPERVISORS) {
  const { name, program, debianPackage } = supervisor;
  describeWith(program, debianPackage)(name, () => {
    const control = (what: Parameters<Supervisor['control']>[0]): void => {
      const [command = '', ...args] = supervisor.control(what);
      execFileSync(command, args, { stdio: 'pipe' });
    };
    /** Down before the supervisor is killed, which would leave the daemon behind. */
    const takeDownAtEnd = (): void =>
      started.atEnd(async () => {
        const pid = supervisor.pid();
        control('down');
        if (pid !== undefined) await expect.poll(() => isRunning(pid)).toBe(false);
      });

    test('starts the daemon and its log, reloads, reopens logs, and drains a session at a restart', async () => {
      install(name);
      for (const command of supervisor.start()) started.start(command);
      await expect.poll(() => existsSync(join(service, 'supervise'))).toBe(true);
      takeDownAtEnd();
      await deliver(await started.client(port));
      expect(String(place.delivered()[0])).toContain(`(${CLIENT})`);
      await expect.poll(logged).toContain('Connection from');

      control('hup');
      await expect.poll(logged).toContain('configuration read again');
      control('alrm');
      await expect.poll(logged).toContain('log files opened again');

      const before = supervisor.pid();
      const session = await started.client(port);
      await session.reply();
      for (const line of ['EHLO c.example', 'MAIL FROM:<a@c.example>', 'RCPT TO:<b@example.test>', 'DATA'])
        await session.say(line);
      control('term');
      await expect.poll(logged).toContain('stopping');
      expect(await session.say('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 Queued/);
      session.destroy();
      await expect.poll(() => supervisor.pid() ?? before).not.toBe(before);
      await deliver(await started.client(port));
    });
  });
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describeWith('s6-svscan', 's6')('s6 and readiness', () => {
  test.each([1, 2])('with %d workers: s6-svwait -U waits until it listens', async (workers) => {
    install('s6', `--workers ${workers} --grace 1`);
    const services = join(place.folder, 'services');
    mkdirSync(services);
    execFileSync('ln', ['-s', service, join(services, 'qpsmtpd')]);
    started.start(['s6-svscan', services]);
    await expect.poll(() => existsSync(join(service, 'supervise/control'))).toBe(true);
    started.atEnd(() => execFileSync('s6-svc', ['-wD', '-T60000', '-d', service]));
    execFileSync('s6-svwait', ['-U', '-t', '60000', service]);
    expect(ask('s6-svstat', service)).toMatch(/\bready\b/);
    await deliver(await started.client(port));
  });

  test('a configuration that is broken is not tried again and again', async () => {
    install('s6');
    place.write({ plugins: 'rcpt_okay' });
    started.start(['s6-supervise', service]);
    await expect.poll(() => existsSync(join(service, 'supervise/control'))).toBe(true);
    execFileSync('s6-svwait', ['-D', '-t', '60000', service]);
    await expect.poll(() => ask('s6-svstat', service)).toMatch(/^down \(exitcode 78\)/);
  });
});

test('--ready-fd that nobody has passed: exit code 64 and the reason', async () => {
  const command = [
    process.execPath,
    QPSMTPD,
    'serve',
    '--config',
    place.config,
    '--ready-fd',
    '77',
    ...AS_OURSELVES,
  ];
  const { ended, said } = started.start(command);
  expect(await ended).toBe(64);
  expect(said()).toContain('--ready-fd 77: it is not open');
});

/** A stand-in for the manager of services: prints what comes, one message a line. */
const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    print(' '.join(s.recv(4096).decode().split('\\n')), flush=True)
`;
import { freePort } from '../free-port.ts';

describeWith('systemd-notify', 'systemd')('systemd', () => {
  test.each([1, 2])('with %d workers: start, watchdog, reload and stop are told', async (workers) => {
    const socket = join(place.folder, 'notify');
    const listener = started.start(['python3', '-c', LISTENER, socket]);
    await expect.poll(() => listener.said()).toContain('bound');
    const command = [process.execPath, QPSMTPD, 'serve', '--config', place.config];
    const more = ['--workers', `${workers}`, '--grace', '1', ...AS_OURSELVES];
    const daemon = started.start([...command, ...more], { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '400000' });
    await expect
      .poll(() => listener.said())
      .toMatch(
        new RegExp(
          `^READY=1 MAINPID=${daemon.child.pid} STATUS=listening on tcp://127.0.0.1:${port}, ${workers} w`,
          'm',
        ),
      );
    await expect.poll(() => listener.said()).toMatch(/(^WATCHDOG=1$[^]*){3}/m);
    daemon.child.kill('SIGHUP');
    await expect
      .poll(() => listener.said())
      .toMatch(/^RELOADING=1 MONOTONIC_USEC=\d+ [^]*^READY=1 STATUS=listening/m);
    daemon.child.kill('SIGTERM');
    await expect.poll(() => listener.said()).toMatch(/^STOPPING=1 STATUS=sessions have 1 s to end$/m);
    expect(await daemon.ended).toBe(0);
  });

  test('a successor speaks for itself, and nobody says that the service stops', async () => {
    const socket = join(place.folder, 'notify');
    const listener = started.start(['python3', '-c', LISTENER, socket]);
    await expect.poll(() => listener.said()).toContain('bound');
    const command = [process.execPath, QPSMTPD, 'serve', '--config', place.config, '--workers', '1'];
    const daemon = started.start([...command, '--grace', '1', ...AS_OURSELVES], { NOTIFY_SOCKET: socket });
    await expect.poll(() => listener.said()).toContain('READY=1');
    daemon.child.kill('SIGUSR2');
    await expect.poll(() => [...listener.said().matchAll(/READY=1 MAINPID=(\d+)/g)].length).toBe(2);
    const successor = Number([...listener.said().matchAll(/MAINPID=(\d+)/g)][1]![1]);
    expect(successor).not.toBe(daemon.child.pid);
    // Its streams stay open: the successor has them.
    await expect.poll(() => daemon.child.exitCode).toBe(0);
    expect(listener.said()).not.toContain('STOPPING');
    process.kill(successor, 'SIGTERM');
    await expect.poll(() => listener.said()).toContain('STOPPING=1');
    await expect.poll(() => isRunning(successor)).toBe(false);
  });

  test('its units are sound', () => {
    if (!hasProgram('systemd-analyze')) return;
    const units = join(place.folder, 'units');
    mkdirSync(units);
    for (const file of readdirSync(join(CONTRIB, 'systemd')).filter((name) => !name.endsWith('.md'))) {
      const text = readFileSync(join(CONTRIB, 'systemd', file), 'utf8');
      // The package may not be installed here, nor its user exist.
      writeFileSync(
        join(units, file),
        text.replaceAll('/usr/bin/qpsmtpd', '/bin/true').replaceAll('=smtpd', '=root'),
      );
    }
    const files = readdirSync(units).map((name) => join(units, name.replace('@.service', '@1.service')));
    writeFileSync(join(units, 'qpsmtpd-each@1.service'), readFileSync(join(units, 'qpsmtpd-each@.service')));
    execFileSync('systemd-analyze', ['verify', '--man=no', ...files], { stdio: 'pipe' });
    const security = execFileSync(
      'systemd-analyze',
      ['security', '--offline=true', join(units, 'qpsmtpd.service')],
      {
        encoding: 'utf8',
      },
    );
    const [, exposure] = /Overall exposure level for \S+: ([\d.]+)/.exec(security)!;
    expect(Number(exposure)).toBeLessThan(2.5);
  });
});
