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

/** What a daemon made of a case, ready to be compared: lines of the dialogue, lines of the stored messages. */
export interface Played {
  readonly dialogue: readonly string[];
  readonly mails: readonly string[];
  /** The end of the daemon's log. */
  readonly log: string;
}

/** Plays a case to the Perl daemon; what 0.94 says differently from 1.00 is put as 1.00 puts it. */
export async function playToOracle(oracle: Oracle, parityCase: ParityCase, root: string): Promise<Played> {
  const scratch = prepare(parityCase, join(root, `${parityCase.script}.oracle`), oracle.owner);
  const raw = await play(parityCase, scratch, (made) => startOracle(oracle, made));
  const isOld = oracle.edition === '0.94';
  const dialogue = isOld ? upgradeTranscript(raw.dialogue, parityCase) : raw.dialogue;
  return finish(dialogue, isOld ? raw.mails.map(upgradeMail) : raw.mails, scratch);
}

/** Plays a case to this project's daemon. */
export async function playToDaemon(parityCase: ParityCase, root: string): Promise<Played> {
  const scratch = prepare(parityCase, join(root, `${parityCase.script}.daemon`), undefined);
  const raw = await play(parityCase, scratch, startSubject);
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
  start: (scratch: Scratch) => Promise<RunningDaemon>,
): Promise<Raw> {
  const steps = parseScript(readFileSync(join(SCRIPTS, `${script}.txt`), 'utf8'));
  const daemon = await start(scratch);
  try {
    const wire = await connectWire(daemon.port);
    try {
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
