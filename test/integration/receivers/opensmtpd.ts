/** OpenSMTPD, unpacked: accepts for example.test and delivers into one Maildir. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { countFiles, scratchFolder, startReceiver, type Receiver } from './receiver.ts';
import { missingForUnpacked, overlaySystem } from './unpacked-package.ts';
import { freePort } from '../../free-port.ts';

const PACKAGES = ['opensmtpd'];

export interface OpenSmtpdOptions {
  /** PEM files: STARTTLS is offered with them. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

export const missingOpenSmtpd = (): Promise<string | undefined> => missingForUnpacked(PACKAGES);

export async function startOpenSmtpd({ tls }: OpenSmtpdOptions = {}): Promise<Receiver> {
  const folder = scratchFolder('opensmtpd');
  const port = await freePort();
  const system = await overlaySystem(folder, PACKAGES, ['opensmtpd', 'opensmtpq', 'boxes']);
  const mailboxes = join(system.shared, 'mailboxes');
  mkdirSync(mailboxes);
  for (const path of ['var/empty', 'run', 'var/spool', 'var/lib/opensmtpd/empty'])
    mkdirSync(join(system.upper, path), { recursive: true });
  // Names from the file of hosts alone: otherwise connections wait for a resolver.
  writeFileSync(join(system.upper, 'etc', 'resolv.conf'), 'lookup file\n');
  const listen = `listen on 127.0.0.1 port ${port} hostname opensmtpd.test`;
  writeFileSync(
    join(system.upper, 'etc', 'smtpd-test.conf'),
    [
      ...(tls === undefined
        ? []
        : [`pki opensmtpd.test cert "${tls.cert}"`, `pki opensmtpd.test key "${tls.key}"`]),
      tls === undefined ? listen : `${listen} tls pki opensmtpd.test`,
      'action "boxes" maildir "/mnt/mailboxes/box" virtual { "@" = boxes }',
      'match from any for domain "example.test" action "boxes"',
      'smtp max-message-size 64M',
      '',
    ].join('\n'),
  );
  return startReceiver({
    ...system.command(
      '/bin/sh',
      '-c',
      'chown boxes /mnt/mailboxes; mkdir -p -m 711 /mnt/spool; rm -rf /var/spool/smtpd; ln -s /mnt/spool /var/spool/smtpd; exec /usr/sbin/smtpd -d -v -f /etc/smtpd-test.conf',
    ),
    folder,
    port,
    mailboxes,
    isBusy: async () =>
      (
        await Promise.all(['queue', 'incoming'].map((name) => countFiles(join(system.shared, 'spool', name))))
      ).some((count) => count > 0),
  });
}
