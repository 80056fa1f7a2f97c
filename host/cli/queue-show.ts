/** `qpsmtpd queue show`: everything about one message. */

import { SpoolError } from '../spool/files/spool-error.ts';
import { stateAfter, type HistoryEvent } from '../spool/files/history.ts';
import { MessageFile } from '../spool/files/message-file.ts';
import { HeaderEnd } from '../message/header-end.ts';
import { maskControls } from '../message/field-text.ts';
import type { ConfiguredSpool } from './configured-spool.ts';

const HEADER_OCTETS = 262_144;
const PIECE_OCTETS = 65_536;

export interface ShowOptions {
  readonly isJson: boolean;
  /** The body as well. */
  readonly isWhole: boolean;
}

/** Prints envelope, what has become of each recipient, history and header. */
export async function showMessage(
  { folder }: ConfiguredSpool,
  id: string,
  { isJson, isWhole }: ShowOptions,
  print: (line: string) => void,
): Promise<void> {
  const file = await MessageFile.open(folder, id);
  if (file === undefined) throw new SpoolError(`there is no message ${id}`);
  try {
    const { events } = await file.history();
    const content = isWhole ? await wholeOf(file) : await headerOf(file);
    if (isJson) print(JSON.stringify({ ...recordOf(file, events), content }));
    else for (const line of describe(file, events, content)) print(line);
  } finally {
    await file.close();
  }
}

function recordOf(file: MessageFile, events: readonly HistoryEvent[]): object {
  const { envelope, contentOctets } = file;
  const { recipients, isHeld } = stateAfter(events, envelope.recipients.length);
  return {
    id: envelope.id,
    arrived: new Date(envelope.arrivedMs).toISOString(),
    octets: contentOctets,
    held: isHeld,
    from: envelope.reversePath.mailbox,
    mailOptions: envelope.mailOptions,
    client: envelope.client ?? null,
    recipients: envelope.recipients.map(({ address, options, destination }, index) => ({
      to: address.mailbox,
      destination,
      options: options ?? null,
      ...recipients[index],
    })),
    history: events,
  };
}

function* describe(
  { envelope, contentOctets }: MessageFile,
  events: readonly HistoryEvent[],
  content: string,
): Iterable<string> {
  const { recipients, isHeld } = stateAfter(events, envelope.recipients.length);
  const { client, mailOptions } = envelope;
  yield `message  ${envelope.id}${isHeld ? ' (held)' : ''}`;
  yield `arrived  ${new Date(envelope.arrivedMs).toISOString()}`;
  yield `octets   ${contentOctets}`;
  yield maskControls(`from     ${envelope.reversePath.toString()} ${JSON.stringify(mailOptions)}`);
  if (client !== undefined) yield maskControls(`client   ${client.ip} ${client.helloHost ?? ''}`);
  for (const [index, { address, destination }] of envelope.recipients.entries()) {
    const { kind, reply } = recipients[index]!;
    const answer = reply === undefined ? '' : ` (${[reply.code, ...reply.lines].join(' ')})`;
    yield maskControls(`to       ${address.toString()} by ${destination}: ${kind}${answer}`);
  }
  for (const event of events) yield maskControls(`${new Date(event.ms).toISOString()} ${printEvent(event)}`);
  yield '';
  for (const line of content.split(/\r?\n/)) yield line;
}

function printEvent(event: HistoryEvent): string {
  if (event.event !== 'attempt') return event.event;
  const outcomes = event.outcomes.map(
    ({ kind, recipients, reply, hop }) =>
      `${kind} ${recipients.length}: ${hop ?? 'no hop'}: ${[reply.code, ...reply.lines].join(' ')}`,
  );
  return `attempt at ${event.destination}: ${outcomes.join('; ')}`;
}

async function headerOf(file: MessageFile): Promise<string> {
  const leading = await file.read(0, HEADER_OCTETS);
  const search = new HeaderEnd();
  search.search(leading, 0, leading.length);
  return shown(search.position < 0 ? leading : leading.subarray(0, search.position));
}

async function wholeOf(file: MessageFile): Promise<string> {
  let text = '';
  for (let at = 0; at < file.contentOctets; at += PIECE_OCTETS)
    text += (await file.read(at, PIECE_OCTETS)).toString('latin1');
  return shown(Buffer.from(text, 'latin1'));
}

/** A message may hold sequences that a terminal obeys; tabs and line ends are all that is let through. */
const shown = (octets: Buffer): string =>
  octets.toString('utf8').replace(/(?!\t|\r\n|\n)[\u0000-\u001f\u007f-\u009f]/g, '?');
