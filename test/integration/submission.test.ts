/** The submission service of config.sample, as the guide says to switch it on: a real daemon, and Debian's swaks as its client. */

import { execFile } from 'node:child_process';
import { chmodSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestClient } from '../../host/testing/index.ts';
import { messagesOf, RunningDaemon, Workplace } from './daemon.ts';
import { describeWith } from './needs.ts';

const run = promisify(execFile);
const SAMPLE = resolve(import.meta.dirname, '../../config.sample');
const PROGRAM = resolve(import.meta.dirname, '../../bin/qpsmtpd.cjs');
const PATIENCE = { timeout: 60_000, interval: 100 };

interface Outcome {
  readonly code: number;
  readonly transcript: string;
}

describeWith('swaks', 'swaks')('the submission service of the sample', () => {
  const workplace = new Workplace();
  const { config, folder } = workplace;
  const submitted = join(folder, 'submitted');
  let daemon: RunningDaemon;

  /** Changes a file of the copy; what is not there to be changed fails the test. */
  function edit(name: string, ...changes: readonly (readonly [string | RegExp, string])[]): void {
    let text = readFileSync(join(SAMPLE, name), 'utf8');
    for (const [from, to] of changes) {
      expect(text).toMatch(from);
      text = text.replace(from, to);
    }
    writeFileSync(join(config, name), text);
  }

  beforeAll(async () => {
    cpSync(SAMPLE, config, { recursive: true });
    // The lines of the guide without their #, on loopback and free ports.
    edit(
      'listeners',
      ['# tcp://[::]:25', 'tcp://127.0.0.1:0'],
      ['# tcp://[::]:587', 'tcp://127.0.0.1:0'],
      ['# tcp://[::]:465', 'tcp://127.0.0.1:0'],
    );
    edit('plugins', ['queue/maildir ./Maildir', `queue/maildir ${workplace.maildir}`]);
    // Mail for the world ends in a folder of the test.
    edit('plugins.submission', [
      /queue\/spool .*/,
      `queue/spool ${folder}/out min_free 0 via maildir ${submitted}`,
    ]);
    workplace.write({ flat_auth_pw: 'me@example.com:secret' });
    chmodSync(join(config, 'flat_auth_pw'), 0o600);
    await run(process.execPath, [
      PROGRAM,
      'tls-cert',
      '--name',
      'mail.example.com',
      '--out',
      join(config, 'ssl'),
    ]);
    daemon = await RunningDaemon.start(workplace, { listen: [] });
  });

  afterAll(async () => {
    await daemon?.end();
    workplace.remove();
  });

  const MX = 0;
  const SUBMISSION = 1;
  const SUBMISSIONS = 2;
  const AUTH = ['--auth', 'PLAIN', '--auth-user', 'me@example.com', '--auth-password', 'secret'];

  async function swaks(listener: number, to: string, ...options: readonly string[]): Promise<Outcome> {
    const server = ['--server', '127.0.0.1', '--port', String(daemon.ports[listener])];
    const envelope = ['--from', 'me@example.com', '--to', to, '--helo', 'client.example'];
    try {
      const { stdout } = await run('swaks', [...server, ...envelope, ...options]);
      return { code: 0, transcript: stdout };
    } catch (error) {
      const { code, stdout } = error as { code: number; stdout: string };
      return { code, transcript: stdout };
    }
  }

  test('check shows both, and finds nothing wrong', async () => {
    const { stdout } = await run(process.execPath, [PROGRAM, 'check', '--config', config]);
    expect(stdout).toMatch(/^plugins of the service submission, .*\n.*\n {3}2 {2}tls$/m);
    expect(stdout).toContain('      auth_required.submission 1\n');
    expect(stdout).not.toContain('nothing reads');
  });

  test('port 25 offers neither TLS nor AUTH, takes mail for its hosts and relays for nobody', async () => {
    const relayed = await swaks(MX, 'you@elsewhere.example');
    expect(relayed.transcript).toContain('550 Relaying denied');
    expect(relayed.transcript).not.toMatch(/AUTH|STARTTLS/);
    expect((await swaks(MX, 'you@example.com')).code).toBe(0);
    expect(workplace.delivered()).toHaveLength(1);
  });

  test('port 587 refuses MAIL before TLS, and before AUTH', async () => {
    const clear = await swaks(SUBMISSION, 'you@elsewhere.example');
    expect(clear.transcript).toContain('530 Must issue a STARTTLS command first');
    expect(clear.transcript).not.toContain('AUTH');
    const strange = await swaks(SUBMISSION, 'you@example.com', '--tls');
    expect(strange.transcript).toContain('530 Authentication required');
    const wrong = await swaks(SUBMISSION, 'you@elsewhere.example', '--tls', ...AUTH.slice(0, -1), 'wrong');
    expect(wrong.transcript).toContain('535 ');
    expect(messagesOf(submitted)).toEqual([]);
  });

  test('port 587 takes mail for anybody after STARTTLS and AUTH, and hands it on', async () => {
    const { code, transcript } = await swaks(SUBMISSION, 'you@elsewhere.example', '--tls', ...AUTH);
    expect(transcript).toContain('235 ');
    expect(code).toBe(0);
    await expect.poll(() => messagesOf(submitted).length, PATIENCE).toBe(1);
    expect(messagesOf(submitted)[0]!.toString()).toMatch(/with ESMTPSA/);
  });

  test('port 465 is TLS from the first octet, and goes by the same rules', async () => {
    const before = messagesOf(submitted).length;
    const strange = await swaks(SUBMISSIONS, 'you@elsewhere.example', '--tls-on-connect');
    expect(strange.transcript).toContain('530 Authentication required');
    const { code } = await swaks(SUBMISSIONS, 'other@elsewhere.example', '--tls-on-connect', ...AUTH);
    expect(code).toBe(0);
    await expect.poll(() => messagesOf(submitted).length, PATIENCE).toBe(before + 1);
  });

  test('HUP changes the service alone; a mistake in its files leaves both as they are', async () => {
    const ehlo = async (listener: number): Promise<string> => {
      const client = new TestClient(connect(daemon.ports[listener]!, '127.0.0.1'));
      await client.reply();
      const reply = await client.say('EHLO client.example');
      client.stream.destroy();
      return reply;
    };
    const reloads = (text: RegExp): number => daemon.log.match(new RegExp(text, 'g'))?.length ?? 0;
    workplace.write({ 'databytes.submission': '7654321' });
    daemon.signal('SIGHUP');
    await expect.poll(() => reloads(/configuration read again/), PATIENCE).toBe(1);
    expect(await ehlo(SUBMISSION)).toContain('SIZE 7654321');
    const plain = await ehlo(MX);
    expect(plain).not.toContain('SIZE 7654321');
    workplace.write({ 'plugins.submission': 'tls\nnonsense' });
    daemon.signal('SIGHUP');
    await expect.poll(() => reloads(/reload failed/), PATIENCE).toBe(1);
    expect(daemon.log).toContain(`${join(config, 'plugins.submission')}:2: Plugin nonsense not found`);
    expect(await ehlo(SUBMISSION)).toContain('STARTTLS');
    expect(await ehlo(MX)).toBe(plain);
  });
});

test('a daemon whose listener names a service without files does not start, and says why', async () => {
  const workplace = new Workplace({
    'plugins.submission': 'rcpt_ok',
    listeners: 'tcp://127.0.0.1:0 service=submision',
  });
  await expect(RunningDaemon.start(workplace, { listen: [] })).rejects.toThrow(
    /ended with 78: .*listeners:1: service=submision: no file belongs to this service \(did you mean submission\?\)/s,
  );
  workplace.remove();
});

test.each([1, 2])('with %i workers --listen names a service as the file does', async (workers) => {
  const workplace = new Workplace({ 'smtpgreeting.other': 'the other' });
  const daemon = await RunningDaemon.start(workplace, {
    workers,
    listen: ['tcp://127.0.0.1:0', 'tcp://127.0.0.1:0 service=other'],
  });
  const clients = daemon.ports.map((port) => new TestClient(connect(port, '127.0.0.1')));
  const greetings = await Promise.all(clients.map((client) => client.reply()));
  for (const { stream } of clients) stream.destroy();
  expect(greetings[0]).toMatch(/^220 mx\.test ESMTP qpsmtpd/);
  expect(greetings[1]).toBe('220 the other ESMTP');
  await daemon.end();
  workplace.remove();
});
