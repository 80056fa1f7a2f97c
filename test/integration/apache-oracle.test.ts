/**
 * The heir of Apache::Qpsmtpd beside it: Debian's Perl daemon inside httpd, and this daemon, to which the same httpd hands its
 * connections. A client reads the same lines, and the same address of it stands in Received.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { replayScript } from '../dialogue/replay-script.ts';
import { parseScript } from '../dialogue/script.ts';
import { StreamWire } from '../dialogue/stream-wire.ts';
import { CASES, type ParityCase } from '../parity/cases.ts';
import { diffDialogues, diffMails } from '../parity/diff.ts';
import { DifferenceLedger, parseDifferences } from '../parity/differences.ts';
import { upgradeMail, upgradeTranscript } from '../parity/editions.ts';
import { printMails, readMaildir } from '../parity/mailbox.ts';
import { normaliseMail, normaliseTranscript } from '../parity/normalise.ts';
import { DAEMON, DIFFERENCES, SCRIPTS } from '../parity/places.ts';
import { makeScratch, type Owner, type Scratch } from '../parity/scratch.ts';
import { switchOff } from '../parity/subject.ts';
import { RunningProgram } from '../process/running-program.ts';
import { CLIENT, connected } from './front.ts';
import { BY_RELAY, apacheTests, hasModPerl, LOAD_PERL, startHttpd } from './httpd.ts';
import { describeWith } from './needs.ts';

/**
 * Dialogues about what httpd carries. None with AUTH in several steps or with STARTTLS, of which Apache::Qpsmtpd is not capable:
 * inside httpd it takes the second step of AUTH for a command.
 */
const SCRIPTS_PLAYED = [
  '01-full',
  '72-rcpt-syntax',
  '75-bad-recipients',
  '77-small-verbs',
  '78-many-messages',
  '79-pipelined',
  '80-dots',
  '90-reset',
];
const CASES_PLAYED = CASES.filter(({ script }) => SCRIPTS_PLAYED.includes(script));

/** Debian's module was written for httpd 2.2, where the methods had these names. */
const RENAMED = `<Perl>
$ENV{QPSMTPD_CONFIG} = '@CONFIG@';
$ENV{PERL_HASH_SEED} = 0;
require Apache2::Connection;
require Apache2::ServerRec;
require Apache2::ServerUtil;
require APR::SockAddr;
*Apache2::Connection::remote_ip = sub { $_[0]->client_ip };
*Apache2::Connection::remote_addr = sub { $_[0]->client_addr };
</Perl>`;

const here = apacheTests('oracle');

/** The user httpd's children run as, who write the Perl daemon's files. */
function ownerOfChildren(): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (option: string): number =>
    Number(execFileSync('id', [option, 'www-data'], { encoding: 'utf8' }));
  return { uid: idOf('-u'), gid: idOf('-g') };
}

interface Played {
  readonly dialogue: readonly string[];
  readonly mails: readonly string[];
}

async function play(port: number, script: string, { maildir }: Scratch): Promise<Played> {
  const socket = await connected(port);
  here.ends.push(() => socket.destroy());
  const steps = parseScript(readFileSync(join(SCRIPTS, `${script}.txt`), 'utf8'));
  const dialogue = await replayScript(new StreamWire(socket), steps);
  return { dialogue, mails: readMaildir(maildir) };
}

/**
 * What is known to differ is listed for a client at 127.0.0.1. A client without a name has its address for one inside httpd,
 * where the other Perl daemons call it Unknown.
 */
const asListed = (line: string): string =>
  line
    .replaceAll(`Hi [${CLIENT}]`, 'Hi Unknown')
    .replaceAll(`from [${CLIENT}]`, 'from Unknown')
    .replaceAll(CLIENT, '127.0.0.1');

async function playToPerl(parityCase: ParityCase): Promise<Played> {
  const scratch = makeScratch(join(here.folder, 'perl'), parityCase.conf, ownerOfChildren());
  writeFileSync(join(scratch.config, 'plugin_dirs'), '/usr/share/qpsmtpd/plugins\n');
  const modules = [LOAD_PERL, RENAMED.replace('@CONFIG@', scratch.config)];
  const lines = ['PerlModule Apache::Qpsmtpd', 'PerlProcessConnectionHandler Apache::Qpsmtpd'];
  const httpd = await startHttpd(here.folder, 'prefork', modules, [{ lines }]);
  here.ends.push(() => httpd.end());
  const { dialogue, mails } = await play(httpd.port, parityCase.script, scratch);
  for (const mail of mails) expect(mail).toMatch(RECEIVED);
  return {
    dialogue: normaliseTranscript(upgradeTranscript(dialogue.map(asListed), parityCase)),
    mails: printMails(mails.map((mail) => normaliseMail(upgradeMail(asListed(mail))))),
  };
}

async function playToDaemon(
  { script, conf }: ParityCase,
  modules: readonly string[],
  handOn: (socket: string) => readonly string[],
): Promise<Played> {
  const scratch = makeScratch(join(here.folder, 'daemon'), conf, undefined);
  const socket = join(scratch.folder, 'front.sock');
  switchOff(scratch);
  writeFileSync(join(scratch.config, 'listeners'), `unix:${socket} mode=0666 proxy=required\n`);
  const daemon = new RunningProgram(DAEMON, ['serve', '--config', scratch.config, '--workers', '1']);
  here.ends.push(() => daemon.dispose());
  await daemon.out.find(/listening on/);
  const httpd = await startHttpd(here.folder, 'prefork', modules, [{ lines: handOn(socket) }]);
  here.ends.push(() => httpd.end());
  const { dialogue, mails } = await play(httpd.port, script, scratch);
  for (const mail of mails) expect(mail).toMatch(RECEIVED);
  return {
    dialogue: normaliseTranscript(dialogue.map(asListed)),
    mails: printMails(mails.map((mail) => normaliseMail(asListed(mail)))),
  };
}

const RECEIVED = new RegExp(`^Received: from \\S+ \\((HELO|EHLO) \\S+\\) \\(${CLIENT}\\)$`, 'm');

/** Lines that differ and stand in no row of docs/differences.md. */
function unlisted(script: string, perl: Played, here: Played): readonly unknown[] {
  const ledger = new DifferenceLedger(parseDifferences(readFileSync(DIFFERENCES, 'utf8')));
  const places = [
    [script, diffDialogues(perl.dialogue, here.dialogue)],
    [`mail ${script}`, diffMails(perl.mails, here.mails)],
  ] as const;
  return places.flatMap(([place, hunks]) =>
    hunks.filter((hunk) => ledger.explain(place, hunk) === undefined),
  );
}

const hasPerlDaemon = existsSync('/usr/share/perl5/Apache/Qpsmtpd.pm') || process.env['CI'] === 'true';
if (!hasPerlDaemon) process.stderr.write('skipped: Apache::Qpsmtpd is missing (apt-get install qpsmtpd)\n');

describeWith('apxs2', 'apache2-dev')('beside Apache::Qpsmtpd', () => {
  test('every script that is named here exists', () => {
    expect(CASES_PLAYED.map(({ script }) => script)).toEqual(SCRIPTS_PLAYED);
  });

  test.skipIf(!hasModPerl || !hasPerlDaemon).each(CASES_PLAYED)(
    '$script: the same lines, the same address in Received',
    async (parityCase) => {
      const perl = await playToPerl(parityCase);
      expect(perl.dialogue.length).toBeGreaterThan(10);
      const byModule = await playToDaemon(parityCase, here.module, (socket) => [`QpsmtpdSocket ${socket}`]);
      expect(unlisted(parityCase.script, perl, byModule)).toEqual([]);
      rmSync(join(here.folder, 'daemon'), { recursive: true });
      const byRelay = await playToDaemon(parityCase, BY_RELAY, (socket) => [
        'PerlProcessConnectionHandler Qpsmtpd::Relay',
        `PerlSetVar QpsmtpdSocket ${socket}`,
      ]);
      expect(byRelay).toEqual(byModule);
    },
  );
});
