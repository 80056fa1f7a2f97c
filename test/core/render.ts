/** Results as the `records` fences of the golden files have them. */
import {
  CommandFlag,
  CommandWord,
  DataFlag,
  DnsWord,
  FIELD_FOLDED,
  FieldId,
  FieldWord,
  HeaderFlag,
  HostFlag,
  HostWord,
  RecordType,
  Verb,
  type Core,
} from '../../bindings/core.ts';
import type { DataVerdict } from './data-oracle.ts';
import { observeDns, type HeadersObservation } from './observe.ts';
import { quoteOctets } from './octet-text.ts';
import { receiveHosts, type ReceivedCommand, type ReceivedCommands } from './receive.ts';

export function renderData({ content, flags, octets, longest, end }: DataVerdict): string {
  return [
    `content ${quoteOctets(Buffer.from(content, 'latin1'))}`,
    `flags ${names(DataFlag, flags)}`,
    `octets ${octets}`,
    `longest ${longest}`,
    end === -1 ? 'open' : `end ${end}`,
  ].join('\n');
}

export function renderCommands({ commands, rest }: ReceivedCommands, input: Uint8Array): string {
  return [...commands.flatMap((command) => renderCommand(command, input)), `rest ${rest}`].join('\n');
}

function renderCommand({ base, record, parameters }: ReceivedCommand, input: Uint8Array): string[] {
  const place = (word: keyof typeof CommandWord): number => base + record[CommandWord[word]]!;
  const flags = record[CommandWord.flags]!;
  const positions = [
    `line ${place('line')}-${place('lineEnd')}`,
    `next ${place('next')}`,
    `verb -${place('verbEnd')}`,
    `argument ${place('argument')}`,
  ];
  if (record[CommandWord.path] !== -1) positions.push(`path ${place('path')}-${place('pathEnd')}`);
  if (record[CommandWord.at] !== -1) positions.push(`at ${place('at')}`);
  if (flags !== 0) positions.push(names(CommandFlag, flags));
  const text = (from: number, to: number): string => quoteOctets(input.subarray(base + from, base + to));
  return [
    `${nameOf(Verb, record[CommandWord.verb]!)} ${positions.join(', ')}`,
    ...parameters.map(
      ([from = 0, to = 0, valueFrom = 0, valueTo = 0]) =>
        `  ${text(from, to)}${valueFrom === -1 ? '' : ` = ${text(valueFrom, valueTo)}`}`,
    ),
  ];
}

export function renderHeaders({ fields, bodyOffset, flags }: HeadersObservation, block: Uint8Array): string {
  const lines = fields.map((field) => {
    const id = field[FieldWord.id]!;
    const text = (from: keyof typeof FieldWord, to: keyof typeof FieldWord): string =>
      quoteOctets(block.subarray(field[FieldWord[from]], field[FieldWord[to]]));
    const folded = (id & FIELD_FOLDED) === 0 ? '' : ' folded';
    const kind = nameOf(FieldId, id & ~FIELD_FOLDED);
    return `${kind}${folded} ${text('name', 'nameEnd')}: ${text('value', 'valueEnd')}, next ${field[FieldWord.next]}`;
  });
  return [
    ...lines,
    bodyOffset === -1 ? 'no body' : `body ${bodyOffset}`,
    `flags ${names(HeaderFlag, flags)}`,
  ].join('\n');
}

function names(flags: Readonly<Record<string, number>>, value: number): string {
  const set = Object.keys(flags).filter((name) => (value & flags[name]!) !== 0);
  return set.length === 0 ? 'none' : set.join(' ');
}

function nameOf(numbers: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(numbers).find((name) => numbers[name] === value) ?? `number ${value}`;
}

export function renderDns(core: Core, message: Uint8Array): string {
  const reply = observeDns(core, message);
  if (reply === undefined) return 'malformed';
  const { records, names: texts, flags, code, questionType, questionEnd, negativeTtl } = reply;
  const lines = records.map((record) => {
    const word = (name: keyof typeof DnsWord): number => record[DnsWord[name]]!;
    const data = quoteOctets(message.subarray(word('data'), word('dataEnd')));
    const value = word('value') === 0 ? '' : ` value ${word('value')}`;
    const target = word('name') === -1 ? '' : ` name "${texts[word('name')]}"`;
    return `${nameOf(RecordType, word('type'))} "${texts[word('owner')]}" ttl ${word('ttl')} data ${data}${value}${target}`;
  });
  return [
    `code ${code} flags ${flags.toString(16)} question ${questionType} "${texts[0]}" -${questionEnd}`,
    ...lines,
    ...(negativeTtl === -1 ? [] : [`nothing for ${negativeTtl} s`]),
  ].join('\n');
}

export function renderHosts(core: Core, chunks: readonly Uint8Array[]): string {
  const text = Buffer.concat(chunks);
  const lines = receiveHosts(core, chunks).map((record) => {
    const [from, to, flags] = [record[HostWord.from]!, record[HostWord.to]!, record[HostWord.flags]!];
    const kinds = flags === 0 ? '' : ` ${names(HostFlag, flags)}`;
    return `${from} ${quoteOctets(text.subarray(from, to))}${kinds}`;
  });
  return lines.length === 0 ? 'none' : lines.join('\n');
}
