/** The generated tables of docs/reference say what the program does: `npm run docs` writes them. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { perlFileRows } from '../host/hooks/perl-files.ts';
import { perlPluginRows } from '../host/hooks/perl-plugins.ts';
import { ReturnCode } from '../bindings/plugin/verdict.ts';
import { HOOK_NAMES } from '../bindings/plugin/hooks.ts';
import { hookFacts, type ArgumentFacts } from '../bindings/plugin/hook-facts.ts';
import { ExitCode } from '../host/process/exit-code.ts';
import { errorRows, exitRows } from '../host/reference/error-reference.ts';
import { refusals } from '../host/replies/refusals.ts';
import { hookReactions } from '../host/reference/hook-reactions.ts';
import {
  extensionRows,
  hookRows,
  limitRows,
  reactionRows,
  refusalRows,
  replyRows,
} from '../host/reference/reference-tables.ts';
import { replies } from '../host/replies/replies.ts';

const squeeze = (row: string): string => row.replace(/\s+/g, ' ').trim();

/** The rows of the Markdown table whose header starts with `header`. */
function tableOf(page: string, header: string): string[] {
  const text = readFileSync(new URL(`../docs/reference/${page}.md`, import.meta.url), 'utf8');
  const lines = text.split('\n').map(squeeze);
  const start = lines.findIndex((line) => line.startsWith(header));
  expect(start, `${page}.md has the table`).toBeGreaterThan(0);
  const body = lines.slice(start + 2);
  const end = body.findIndex((line) => !line.startsWith('|'));
  return end < 0 ? body : body.slice(0, end);
}

describe('docs/reference (npm run docs)', () => {
  test.each([
    ['replies', '| Reply |', replyRows],
    ['replies', '| Hook |', refusalRows],
    ['hooks', '| Hook | Asked |', hookRows],
    ['hooks', '| Hook | Verdict |', reactionRows],
    ['errors', '| Code |', errorRows],
    ['errors', '| Exit code |', exitRows],
    ['limits', '| File |', limitRows],
    ['extensions', '| Keyword |', extensionRows],
    ['plugins', '| Name in qpsmtpd |', perlPluginRows],
    ['configuration', '| File in qpsmtpd |', perlFileRows],
  ] as const)('%s.md, table %s', (page, header, rows) => {
    const made = rows().map(squeeze);
    expect(made.length).toBeGreaterThan(5);
    expect(tableOf(page, header)).toEqual(made);
  });

  test('every reply says when it is given, in few words', () => {
    for (const { when } of Object.values(replies)) expect(when).toMatch(/^[A-Za-z`].{1,140}[^.]$/);
  });

  test('the arguments of a hook are called as in its type', () => {
    const source = readFileSync(new URL('../bindings/plugin/hooks.ts', import.meta.url), 'utf8');
    for (const hook of HOOK_NAMES) {
      const [, list] = new RegExp(`^  '?${hook}'?: \\[(.*)\\];$`, 'm').exec(source)!;
      const names = [...list!.matchAll(/(\w+): /g)].map(([, name]) => name);
      expect([hook, ...(hookFacts[hook].told as readonly ArgumentFacts[]).map(([name]) => name)]).toEqual([
        hook,
        ...names,
      ]);
    }
  });

  test('each return code of a hook has one outcome, and each hook one for DECLINED', () => {
    for (const hook of HOOK_NAMES) {
      const refused = Object.entries(ReturnCode).flatMap(([name, code]) =>
        refusals[hook]?.[code] === undefined ? [] : [name],
      );
      const codes = [...refused, ...hookReactions[hook].flatMap((reaction) => reaction.codes)];
      expect([hook, [...new Set(codes)]]).toEqual([hook, codes]);
      expect(codes, hook).toContain('DECLINED');
    }
  });

  test('every exit code is there, that of a Node too old included', () => {
    const listed = exitRows().map((exit) => Number(/^\| (\d+) /.exec(exit)![1]));
    expect(listed).toEqual(Object.values(ExitCode));
    const begin = readFileSync(new URL('../bin/begin.cjs', import.meta.url), 'utf8');
    expect(begin).toContain(`NODE_TOO_OLD = ${ExitCode.UNAVAILABLE};`);
  });

  test('codes are those of RFC 5321 section 4.2, and the class of a status is that of its code (RFC 2034 section 4)', () => {
    for (const { code, status } of Object.values(replies)) {
      expect(String(code)).toMatch(/^[2-5][0-5]\d$/);
      if (status !== '') expect(status).toMatch(new RegExp(`^${Math.floor(code / 100)}\\.\\d\\.\\d+$`));
    }
  });
});
