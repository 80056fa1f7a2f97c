/** The tables of docs/reference that say what the session answers, limits and offers: rows of Markdown. */

import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import { SETTINGS } from '../settings/settings-table.ts';
import type { Setting } from '../settings/setting-kinds.ts';
import { extensions } from './extensions.ts';
import { occasions } from './occasions.ts';
import { refusals, type Refusal } from '../replies/refusals.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';

const row = (...cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

/** Lines of a reply in one cell. What would end the cell or the code span is spelled out. */
const cell = (lines: readonly string[]): string =>
  lines.join('').trim() === ''
    ? 'nothing'
    : lines.map((line) => `\`${line.replaceAll('|', '\\|')}\``).join('<br>');

const code = ({ code, status }: Template): string => (status === '' ? String(code) : `${code} ${status}`);

/** What the enhanced style says, if it is something else. */
const plain = ({ classic, enhanced }: Template): string =>
  enhanced.join('\n') === classic.join('\n') ? 'the same' : cell(enhanced);

/** One row per reply of `replies.ts`: code and status, both texts, and when it is given. */
export function replyRows(): string[] {
  return (Object.entries(replies) as [keyof typeof replies, Template][]).map(([name, reply]) =>
    row(code(reply), cell(reply.classic), plain(reply), occasions[name] ?? ''),
  );
}

/** One row per hook and return code that refuses, from `refusals.ts`. */
export function refusalRows(): string[] {
  return Object.entries(refusals).flatMap(([hook, verdicts]) =>
    Object.entries(ReturnCode).flatMap(([name, number]) => {
      const refusal = verdicts[number];
      if (refusal === undefined) return [];
      const { reply } = refusal;
      return [row(`\`${hook}\``, name, code(reply), cell(reply.classic), plain(reply), consequence(refusal))];
    }),
  );
}

function consequence({ disconnects, resetsTransaction }: Refusal): string {
  if (disconnects === true) return 'the connection is closed';
  return resetsTransaction === true ? 'the transaction ends' : '';
}

/** One row per setting that is a limit: its file, its default and the reply to whoever exceeds it. */
export function limitRows(): string[] {
  const all: readonly Setting<unknown>[] = Object.values(SETTINGS);
  return all.flatMap(({ files, about, form, otherwise, exceeded }) => {
    if (exceeded === undefined) return [];
    const reply: Template | undefined = (replies as Record<string, Template>)[exceeded];
    if (reply === undefined)
      throw new Error(`the limit ${files[0]!} names a reply that is not there: ${exceeded}`);
    const names = files.map((file) => `\`${file}\``).join(', else ');
    return [row(names, about, form, otherwise, `${code(reply)} ${cell(reply.enhanced)}`)];
  });
}

/** One row per EHLO keyword, in the order in which they are offered. */
export function extensionRows(): string[] {
  return extensions.map(({ keyword, rfc, about, offered }) =>
    row(`\`${keyword}\``, rfc, about, offered ?? 'always'),
  );
}
