import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replayScript } from '../dialogue/replay-script.ts';
import { parseScript } from '../dialogue/script.ts';
import { connectWire } from '../dialogue/stream-wire.ts';
import type { ParityCase } from './cases.ts';
import { upgradeMail, upgradeTranscript } from './editions.ts';
import { printMails, readMaildir } from './mailbox.ts';
import { normaliseMail, normaliseTranscript } from './normalise.ts';
import { startOracle, type Oracle } from './oracle.ts';
import { SCRIPTS } from './places.ts';
import { makeCertificate, makeScratch, tailOf, type Owner, type Scratch } from './scratch.ts';
import { startSubject } from './subject.ts';
import type { RunningDaemon } from './daemon.ts';
import { proxyHeader, type World } from './world.ts';

/** What a daemon made of a case, ready to be compared: lines of the dialogue, lines of the stored messages. */
export interface Played {
  readonly dialogue: readonly string[];
  readonly mails: readonly string[];
  /** The end of the daemon's log. */
  readonly log: string;
}

/** Where cases are played. */
export interface Stage {
  /** The folder under which scratch folders are made. */
  readonly root: string;
  /** Of the name server with the zones; undefined for cases that need none. */
  readonly dnsPort: number | undefined;
}

/** Plays a case to the Perl daemon; what 0.94 says differently from 1.00 is put as 1.00 puts it. */
export async function playToOracle(
  oracle: Oracle,
  parityCase: ParityCase,
  { root, dnsPort }: Stage,
): Promise<Played> {
  const scratch = prepare(parityCase, join(root, `${parityCase.script}.oracle`), oracle.owner);
  const world = { client: parityCase.client, dnsPort };
  const raw = await play(parityCase, scratch, () => startOracle(oracle, scratch, world), '');
  const isOld = oracle.edition === '0.94';
  const dialogue = isOld ? upgradeTranscript(raw.dialogue, parityCase) : raw.dialogue;
  return finish(dialogue, isOld ? raw.mails.map(upgradeMail) : raw.mails, scratch);
}

/** Plays a case to this project's daemon. */
export async function playToDaemon(parityCase: ParityCase, { root, dnsPort }: Stage): Promise<Played> {
  const scratch = prepare(parityCase, join(root, `${parityCase.script}.daemon`), undefined);
  const { client } = parityCase;
  const world: World = { client, dnsPort };
  const opening = client === undefined ? '' : proxyHeader(client);
  const raw = await play(parityCase, scratch, () => startSubject(scratch, world), opening);
  return finish(raw.dialogue, raw.mails, scratch);
}

function prepare(parityCase: ParityCase, folder: string, owner: Owner | undefined): Scratch {
  const scratch = makeScratch(folder, parityCase.conf, owner);
  if (parityCase.certificate === true) makeCertificate(scratch, owner);
  return scratch;
}

interface Raw {
  readonly dialogue: readonly string[];
  readonly mails: readonly string[];
}

async function play(
  { script }: ParityCase,
  scratch: Scratch,
  start: () => Promise<RunningDaemon>,
  /** What the client sends before its own octets. */
  opening: string,
): Promise<Raw> {
  const steps = parseScript(readFileSync(join(SCRIPTS, `${script}.txt`), 'utf8'));
  const daemon = await start();
  try {
    const wire = await connectWire(daemon.port);
    try {
      if (opening !== '') await wire.send(Buffer.from(opening));
      const dialogue = await replayScript(wire, steps);
      return { dialogue, mails: readMaildir(scratch.maildir) };
    } finally {
      wire.close();
    }
  } finally {
    await daemon.stop();
  }
}

const finish = (dialogue: readonly string[], mails: readonly string[], { log }: Scratch): Played => ({
  dialogue: normaliseTranscript(dialogue),
  mails: printMails(mails.map(normaliseMail)),
  log: tailOf(log, 200),
});
