/**
 * What 1.00 says where 0.94, which Debian ships, says something else. Only with this can 0.94 stand beside a
 * reference of 1.00; differences that depend on the configuration stand with the case.
 */

import type { ParityCase } from './cases.ts';

export type Edition = '0.94' | '1.00';

/** A transcript of 0.94 as 1.00 would have it. */
export function upgradeTranscript(lines: readonly string[], { since094 = [] }: ParityCase): string[] {
  return lines.map((line) => {
    const renamed = since094.find(([old]) => old === line);
    if (renamed !== undefined) return renamed[1];
    return line
      .replace('Unimplemented authentification mechanism', 'Unimplemented authentication mechanism')
      .replace(/^(S: 535 \S+ authentication failed for \S+)(?! from)/, '$1 from 127.0.0.1');
  });
}

interface Field {
  readonly name: string;
  readonly text: string;
}

/**
 * A message stored by 0.94 as 1.00 would have it: Authentication-Results above Received, Received-SPF below it, a blank before the
 * semicolon of Received, and foreign Authentication-Results copied to the end of the header under another name,
 * of which 1.00 then removes every other one.
 */
export function upgradeMail(mail: string): string {
  const end = mail.indexOf('\n\n');
  const header = end < 0 ? mail : mail.slice(0, end + 1);
  const rest = end < 0 ? '' : mail.slice(end + 1);
  return [...upgradeFields(splitFields(header)).map((field) => field.text), rest].join('');
}

function splitFields(header: string): Field[] {
  const texts = header.match(/^[^ \t\n][^\n]*\n(?:[ \t][^\n]*\n)*/gm) ?? [];
  return texts.map((text) => ({ name: text.slice(0, text.indexOf(':')).toLowerCase(), text }));
}

function upgradeFields(fields: readonly Field[]): Field[] {
  const received = fields.findIndex((field) => field.name === 'received');
  const own = fields[received + 1];
  if (received < 0 || own === undefined || own.name !== 'authentication-results') return [...fields];
  const stamp = upgradeReceived(fields[received]!);
  const original = fields.slice(received + 2);
  const above = fields.slice(0, received);
  const isSpf = ({ name }: Field): boolean => name === 'received-spf';
  return [
    ...above.filter((field) => !isSpf(field)),
    own,
    stamp,
    ...above.filter(isSpf),
    ...renameForeignResults(original),
  ];
}

function upgradeReceived({ name, text }: Field): Field {
  const tls = text.replace(/ with \((\S+ encrypted)\) (E?SMTPS?A?); /, ' with $2 ($1); ');
  return { name, text: tls.replace(/( with E?SMTPA?); /, '$1 ; ') };
}

function renameForeignResults(fields: readonly Field[]): Field[] {
  const signature = fields.find((field) => field.name === 'dkim-signature');
  if (signature !== undefined && /;\s+h=[^;]*authentication-results/i.test(signature.text))
    return [...fields];
  const foreign = fields.filter((field) => field.name === 'authentication-results');
  const gone = new Set(foreign.filter((_, index) => index % 2 === 0));
  const copies = foreign.map(({ text }) => ({
    name: 'original-authentication-results',
    text: `Original-${text}`,
  }));
  return [...fields.filter((field) => !gone.has(field)), ...copies];
}
