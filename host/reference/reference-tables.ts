/** The tables of docs/reference about settings, hooks, replies, limits and extensions: rows of Markdown. */

import { hookFacts, type ArgumentFacts } from '../../bindings/plugin/hook-facts.ts';
import { HOOK_NAMES, type HookName } from '../../bindings/plugin/hooks.ts';
import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import { refusals, type Refusal } from '../replies/refusals.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';
import { extensions } from '../session/extensions.ts';
import type { Setting } from '../settings/setting-kinds.ts';
import { SETTINGS } from '../settings/settings-table.ts';
import { hookReactions } from './hook-reactions.ts';

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
  return Object.values(replies).map((reply) =>
    row(code(reply), cell(reply.classic), plain(reply), reply.when),
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

/** One row per hook, in the order of a session: when it is asked, and what it is told besides its context. */
export function hookRows(): string[] {
  return HOOK_NAMES.map((name) => {
    const { asked, told } = hookFacts[name];
    const listed = (told as readonly ArgumentFacts[]).map(
      ([argument, type, about]) => `\`${argument}: ${type}\`, ${about}`,
    );
    return row(`\`${name}\``, asked, listed.join('<br>'));
  });
}

/** One row per hook and what its return codes make: the refusals of `refusals.ts`, and all else. */
export function reactionRows(): string[] {
  return HOOK_NAMES.flatMap((hook) => {
    const rows = new Map<string, string[]>();
    for (const [name, number] of Object.entries(ReturnCode)) {
      const outcome = outcomeOf(hook, name as keyof typeof ReturnCode, number);
      if (outcome !== undefined) rows.set(outcome, [...(rows.get(outcome) ?? []), name]);
    }
    return [...rows].map(([outcome, names]) => row(`\`${hook}\``, names.join(', '), outcome));
  });
}

/** Reply, text and consequence as cells; undefined for a code that counts as DECLINED. */
function outcomeOf(hook: HookName, name: keyof typeof ReturnCode, number: ReturnCode): string | undefined {
  const refusal = refusals[hook]?.[number];
  if (refusal !== undefined) return cells(refusal.reply, consequence(refusal) || milder(refusal));
  const reaction = hookReactions[hook].find(({ codes }) => codes.includes(name));
  if (reaction === undefined) return undefined;
  return cells(reaction.reply === undefined ? undefined : replies[reaction.reply], reaction.effect);
}

const milder = ({ reply }: Refusal): string =>
  reply.code < 500 ? 'the client is put off' : 'the client is refused';

const cells = (reply: Template | undefined, effect: string): string =>
  [reply === undefined ? '' : code(reply), reply === undefined ? '' : cell(reply.classic), effect].join(
    ' | ',
  );

/** One row per setting that is a limit: its file, its default, and the reply where it is exceeded. */
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

/** One row per setting of the server, for docs/reference/configuration.md. */
export function settingRows(): string[] {
  const all: readonly Setting<unknown>[] = Object.values(SETTINGS);
  return all.map(({ files, about, form, otherwise, takesEffect, isOfProcess }) => {
    const names = `${files.map((file) => `\`${file}\``).join(', else ')}${isOfProcess === true ? ' †' : ''}`;
    return `| ${names} | ${about} | ${form} | ${otherwise} | ${takesEffect} |`;
  });
}
