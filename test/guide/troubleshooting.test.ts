/** The troubleshooting page shows what the program prints: its lines are read here against the source and against a running server. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { definePlugin, LogLevel } from '../../bindings/plugin/index.ts';
import { qpsmtpd } from '../../host/cli/main.ts';
import { runGuarded } from '../../host/cli/program.ts';
import { QUEUE_HEADER, queueRows } from '../../host/cli/queue-command.ts';
import type { MessageEntry, JobEntry } from '../../host/spool/index/index-entries.ts';
import type { ListedMessage } from '../../host/spool/index/spool-index.ts';
import { smtpDaemon } from '../../host/embed/smtp-daemon.ts';
import { TestServer } from '../../host/testing/index.ts';
import { folder } from '../message/folder.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const page = read('docs/guide/troubleshooting.md');
const fenced = [...page.matchAll(/^```\n(.*?)^```$/gms)].flatMap(([, block]) => block!.trim().split('\n'));
const shown = fenced.filter((line) => !line.startsWith('$ ') && line !== '…');
const isSummary = (line: string): boolean => /\] (?:transaction|connection) id=/.test(line);
const isQueueRow = (line: string): boolean => /^\w{20} +\d+[smhd]/.test(line);

/** The texts of the program, those with values in them as patterns. Short ones are in every line. */
function patternsOfSource(): readonly RegExp[] {
  const files = ['bindings', 'host', 'plugins'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => `${folder}/${file}`),
  );
  const pieces: string[][] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) pieces.push([node.text]);
    if (ts.isTemplateExpression(node))
      pieces.push([node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)]);
    node.forEachChild(visit);
  };
  for (const file of files) visit(ts.createSourceFile(file, read(file), ts.ScriptTarget.ES2023));
  return pieces
    .filter(
      (texts) => texts.join('').replace(/[^A-Za-z]/g, '').length >= 6 && /[a-z:] /i.test(texts.join('x')),
    )
    .map(
      (texts) =>
        new RegExp(
          texts
            .map((text) => text.replaceAll('%1', '\0'))
            .map(escaped)
            .join('.+?'),
        ),
    );
}

const escaped = (text: string): string =>
  text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&').replaceAll('\0', '.+?');

const patterns = patternsOfSource();
const isPrinted = (line: string): boolean => patterns.some((pattern) => pattern.test(line));

test('each line that is shown has a text of the program in it', () => {
  const others = shown.filter((line) => !isSummary(line) && !isQueueRow(line));
  expect(others.length).toBeGreaterThan(25);
  // The facts that `queue show` begins with are made column by column; a header came with the message, an error from the system.
  const isForeign = (line: string): boolean =>
    /^(?:Message-Id: |message  |arrived  )|: connect: connect E[A-Z]+ [\d.]+:\d+$/.test(line);
  expect(others.filter((line) => !isForeign(line) && !isPrinted(line.replaceAll('…', 'x')))).toEqual([]);
  expect(
    isPrinted('2026-11-30T04:10:06.032Z 29758 [1] a line that nobody ever wrote into this program'),
  ).toBe(false);
});

test('each reply and error in running text is one of the program', () => {
  const inline = [...page.matchAll(/`([^`\n]+)`/g)].map(([, text]) => text!);
  const quoted = inline.filter(
    (text) => /^[245]\d\d [A-Za-z]/.test(text) || /^(?:cannot|Found|unknown|\/etc\/\S+: )/.test(text),
  );
  expect(quoted.length).toBeGreaterThan(8);
  expect(quoted.filter((text) => !isPrinted(text.replaceAll('…', 'x')))).toEqual([]);
});

const fieldsOf = (line: string): string[] =>
  [...line.replaceAll('…', '').matchAll(/ ([a-z_]+)=/g)].map(([, name]) => name!);
const documented = [...read('docs/reference/logging.md').matchAll(/^\| `([a-z_]+)` +\|/gm)].map(
  ([, name]) => name!,
);
/** Each field once, in the order of the reference; `ms` stands after the commands of a connection, and `to` may come again. */
function expectFields(line: string): void {
  const fields = fieldsOf(line).filter((name, i, all) => name !== 'to' || all.indexOf('to') === i);
  expect(fields[0], line).toBe('id');
  const isConnection = line.includes('connection id=');
  const order = isConnection ? [...documented.filter((name) => name !== 'ms'), 'ms'] : documented;
  expect(fields, line).toEqual(order.filter((name) => fields.includes(name)));
}

test('summaries have the fields of the reference, and so have those of a server', async () => {
  const lines = shown.filter(isSummary);
  expect(lines.length).toBeGreaterThan(6);
  for (const line of lines) expectFields(line);
  const log: string[] = [];
  const recorder = definePlugin({
    name: 'recorder',
    about: 'Keeps the log.',
    logsUpTo: () => LogLevel.NOTICE,
    hooks: { logging: (_, { text }) => void log.push(`[0] ${text}`) },
  });
  const server = await TestServer.start({
    plugins: [recorder, 'rcpt_ok', 'queue/discard'],
    config: { rcpthosts: 'd.example' },
  });
  const client = server.connect();
  await client.reply();
  for (const line of ['EHLO client.example', 'MAIL FROM:<a@b.example>', 'RCPT TO:<x@other.example>', 'QUIT'])
    await client.say(line);
  expect(await client.isClosed()).toBe(true);
  await server.close();
  const made = log.filter(isSummary);
  expect(made).toHaveLength(1);
  expectFields(made[0]!);
  // The line of the page that shows this very dialogue.
  const same = lines.find((line) => line.includes('to=<x@other.example>:550/rcpt_ok'))!;
  expect(fieldsOf(same)).toEqual(fieldsOf(made[0]!));
  expect(made[0]).toContain(same.slice(same.indexOf(' accepted=')));
});

test('rows of the queue are those of `queue ls`', () => {
  const rows = shown.filter(isQueueRow);
  expect(shown).toContain(QUEUE_HEADER);
  expect(rows).toHaveLength(2);
  const nowMs = 1_000_000;
  const job = { order: '', attempts: 1, tries: 1, isNoticed: false, ageMs: 0 };
  const listed = (
    id: string,
    message: Pick<MessageEntry, 'arrivedMs' | 'octets' | 'from'>,
    entry: Pick<JobEntry, 'to' | 'state' | 'nextMs' | 'reply' | 'hop'>,
  ): ListedMessage => ({
    id,
    message: { order: '', isHeld: false, ...message },
    jobs: new Map([['a', { ...job, destination: 'next-hop', ...entry }]]),
    failed: new Map(),
  });
  const waiting = listed(
    '0VcQTOcMkfkjGmBbOhid',
    { arrivedMs: nowMs - 4_000, octets: 427, from: 'a@b.example' },
    {
      to: ['c@d.example'],
      state: 'waiting',
      nextMs: nowMs + 57_000,
      reply: { code: 451, status: '4.4.1', lines: ['next hop unreachable (ECONNREFUSED)'] },
    },
  );
  const kept = listed(
    'Wxl8oo7fTBVUmNycR37j',
    { arrivedMs: nowMs - 3_000, octets: 1_930, from: '' },
    {
      to: ['a@b.example'],
      state: 'kept',
      nextMs: 0,
      reply: { code: 550, status: '5.1.1', lines: ['no such user here'] },
      hop: '10.0.0.5',
    },
  );
  expect([waiting, kept].flatMap((message) => queueRows(message, nowMs))).toEqual(rows);
});

test.each([
  ['plugins', 'rcpt_okk', 'Plugin rcpt_okk not found'],
  ['plugins', 'dspam', 'plugin dspam of qpsmtpd is not built into this server yet (comment the line out'],
  ['databytes', '25MB', "'25MB' is not a whole number of octets from 0 to 999999999999999"],
])('check says of %s with %s what the page says', async (file, text, message) => {
  const config = folder();
  writeFileSync(join(config, 'me'), 'mx.example\n');
  writeFileSync(join(config, 'plugins'), 'rcpt_ok\n');
  writeFileSync(join(config, file), `${text}\n`);
  const printed: string[] = [];
  const terminal = { out: () => undefined, err: (line: string) => void printed.push(line) };
  const code = await runGuarded(
    (args, to) => qpsmtpd(args, smtpDaemon, to),
    ['check', '--config', config],
    terminal,
  );
  expect(code).toBe(78);
  expect(printed.join('\n')).toContain(`${config}/${file}:1: ${message}`);
  expect(page).toContain(message);
});

/** GitHub's name for a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .trim()
    .replaceAll(' ', '-');
const anchorsOf = (text: string): string[] =>
  [...text.replace(/^```.*?^```$/gms, '').matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading!));

test('every relative link in the documentation leads somewhere, to a heading if it names one', () => {
  const pages = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`);
  const dead: string[] = [];
  let count = 0;
  for (const from of [...pages, 'README.md']) {
    for (const [, link] of read(from)
      .replace(/^```.*?^```$/gms, '')
      .matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link!)) continue;
      count++;
      const [path, anchor] = link!.split('#');
      const target = path === '' ? from : join(dirname(from), path!);
      const isThere = existsSync(join(ROOT, target));
      if (!isThere || (anchor !== undefined && !anchorsOf(read(target)).includes(anchor)))
        dead.push(`${from}: ${link!}`);
    }
  }
  expect(count).toBeGreaterThan(60);
  expect(dead).toEqual([]);
});
