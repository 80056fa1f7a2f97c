/** systemd's own `systemd-socket-activate` opens the sockets, of TCP and Unix, and names them. */

import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestClient } from '../../host/testing/index.ts';
import { AS_OURSELVES } from '../process/running-program.ts';
import { Workplace } from './daemon.ts';
import { CLIENT } from './front.ts';
import { describeWith } from './needs.ts';
import { deliver, QPSMTPD, StartedPrograms } from './started.ts';
import { freePort } from '../free-port.ts';

let place: Workplace;
let started: StartedPrograms;
beforeEach(() => {
  place = new Workplace({ loglevel: '6' });
  started = new StartedPrograms();
});
afterEach(async () => {
  await started.end();
  place.remove();
});

describeWith('systemd-socket-activate', 'systemd')('systemd-socket-activate', () => {
  test.each([1, 2])('with %d workers: each listener has the sockets of its name', async (workers) => {
    const [first, second] = [await freePort(), await freePort()];
    const path = join(place.folder, 'front.sock');
    place.write({ listeners: 'fdname:smtp\nfdname:front' });
    const sockets = [`127.0.0.1:${first}`, path, `127.0.0.1:${second}`].flatMap((where) => ['-l', where]);
    const { said } = started.start([
      'systemd-socket-activate',
      ...sockets,
      '--fdname=smtp:front:smtp',
      process.execPath,
      QPSMTPD,
      ...['serve', '--config', place.config, '--workers', `${workers}`, ...AS_OURSELVES],
    ]);
    // The first client starts the daemon.
    for (const port of [first, second]) await deliver(await started.client(port));
    expect(
      place
        .delivered()
        .map(String)
        .every((message) => message.includes(`(${CLIENT})`)),
    ).toBe(true);
    const local = connect({ path });
    started.atEnd(() => local.destroy());
    await once(local, 'connect');
    await deliver(new TestClient(local));
    expect(place.delivered()).toHaveLength(3);
    const where = `tcp://127.0.0.1:${first} tcp://127.0.0.1:${second} unix:${path}`;
    // With workers the primary says it when the last of them is there; they serve before.
    await expect.poll(said).toContain(`listening on ${where}, ${workers} worker`);
  });

  test('the sockets of another process are not taken for our own: exit code 71 and the reason', async () => {
    const port = await freePort();
    const { ended, said } = started.start([
      ...['systemd-socket-activate', '-l', `127.0.0.1:${port}`, '--fdname=smtp'],
      // A shell that stays between.
      ...['sh', '-c', '"$@"; exit $?', 'sh', process.execPath, QPSMTPD],
      ...['serve', '--config', place.config, '--listen', 'fdname:smtp', ...AS_OURSELVES],
    ]);
    (await started.client(port)).destroy();
    expect(await ended).toBe(71);
    expect(said()).toMatch(/fdname:smtp: the sockets were passed to another process, LISTEN_PID is \d+/);
  });

  test('what the daemon starts knows nothing of them', async () => {
    const port = await freePort();
    const log = join(place.folder, 'seen');
    writeFileSync(
      join(place.folder, 'asks.mjs'),
      `import { execSync } from 'node:child_process';
      export default { name: 'asks', about: '', hooks: { connect() { execSync('env > ${log}'); } } };\n`,
    );
    place.write({
      plugin_dirs: place.folder,
      plugins: `asks\nrcpt_ok\nqueue/maildir ${place.maildir}`,
    });
    started.start([
      ...['systemd-socket-activate', '-l', `127.0.0.1:${port}`, process.execPath, QPSMTPD],
      ...['serve', '--config', place.config, '--workers', '1', ...AS_OURSELVES],
    ]);
    await deliver(await started.client(port));
    const environment = readFileSync(log, 'utf8');
    expect(environment).toContain('PATH=');
    expect(environment).not.toContain('LISTEN_');
  });
});
