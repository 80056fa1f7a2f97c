/** What a client sends after it tried to log in is no matter for the log, whatever the form it comes in. */

import { afterEach, expect, test } from 'vitest';
import { ok } from '../../../bindings/plugin/index.ts';
import { runningCall } from '../../../host/hooks/plugin-scope.ts';
import countUnrecognized from '../../../plugins/count_unrecognized_commands.ts';
import { closeServers, keeper, recorder, SECRET, startServer, USER, withHooks } from './auth-server.ts';
import { encode } from './sasl-client.ts';

afterEach(closeServers);

const PLAIN = encode(`\0${USER}\0${SECRET}`);
/** A plugin that quotes a line as it gets it: verb and argument, in both spellings. */
const quoting = withHooks(
  {
    unrecognized_command({ log }, verb, argument) {
      log.warn(`no such verb: ${verb} ${argument}`);
      log.warn(argument.toUpperCase());
      throw new Error(`cannot read ${verb} ${argument}`);
    },
    help: ({ log }, argument) => log.warn(`help on ${argument}`),
  },
  'quoting',
);

async function logAfter(...lines: string[]): Promise<string[]> {
  const { plugin, lines: log } = recorder();
  const server = await startServer({ plugins: [keeper(), countUnrecognized, quoting, plugin] });
  const client = await server.greeted();
  for (const line of lines) await client.say(line);
  return log;
}

test.each<[string, ...string[]]>([
  ['no blank in front of the mechanism', `AUTHPLAIN ${PLAIN}`],
  ['nor after it', `AUTHPLAIN${PLAIN}`],
  ['nothing but the secret', `AUTH ${PLAIN}`],
  ['a sign between verb and mechanism', `AUTH=PLAIN ${PLAIN}`],
  ['another verb', `XAUTH PLAIN ${PLAIN}`],
  ['a comma', `AUTH PLAIN,${PLAIN}`],
  ['a colon', `AUTH: PLAIN ${PLAIN}`],
  ['a tab', `AUTH\tPLAIN\t${PLAIN}`],
  ['a blank in front', ` AUTH PLAIN ${PLAIN}`],
  ['a mechanism nobody has', `AUTH X-FOO ${PLAIN}`],
  ['letters in the wrong order', `AUHT PLAIN ${PLAIN}`],
  ['the words of IMAP', `a1 LOGIN ${USER} ${SECRET}`],
  ['the words of POP3', `PASS ${SECRET}`],
  ['a header field of HTTP', `Authorization: Basic ${PLAIN}`],
  ['control characters', `AUTH PLAIN ${PLAIN}\u0001`],
  ['the line after a refused AUTH', 'AUTH FOO', PLAIN],
  ['the lines after a refused AUTH LOGIN', 'AUTH LOGIN =', encode(USER), encode(SECRET)],
  ['the line after an aborted AUTH', 'AUTH LOGIN', '*', encode(SECRET)],
  ['the line after an AUTH that was no base64', 'AUTH LOGIN', '!', encode(SECRET)],
  ['a password in the clear', 'AUTH LOGIN', '*', `help me ${SECRET}`],
  ['a password after a verb', 'AUTH LOGIN', '*', `NOOP ${SECRET}`],
  ['the line after an unknown AUTH', 'AUTHLOGIN', encode(SECRET)],
  ['the line after the words of IMAP', 'a1 LOGIN', encode(SECRET)],
  ['a line longer than a command', `AUTH PLAIN ${PLAIN}${'A'.repeat(3_000)}`, encode(SECRET)],
  ['the line after a success', `AUTH PLAIN ${PLAIN}`, encode(SECRET)],
])('%s', async (_, ...lines) => {
  const log = await logAfter(...lines);
  expect(log.length).toBeGreaterThan(5);
  const text = log.join('\n').toLowerCase();
  for (const shape of [SECRET, encode(SECRET), PLAIN]) expect(text).not.toContain(shape.toLowerCase());
});

test('where AUTH is not offered, no other line is shown either', async () => {
  const { plugin, lines } = recorder();
  const client = await (await startServer({ plugins: [quoting, plugin] })).greeted();
  for (const line of ['AUTH LOGIN', encode(SECRET), `AUTH ${PLAIN}`]) await client.say(line);
  const text = lines.join('\n').toLowerCase();
  for (const shape of [SECRET, encode(SECRET), PLAIN]) expect(text).not.toContain(shape.toLowerCase());
});

test('plugins get the words all the same', async () => {
  const told: unknown[] = [];
  const probe = withHooks({ unrecognized_command: (_, ...words) => void told.push(words) });
  const client = await (await startServer({ plugins: [keeper(), probe] })).greeted();
  for (const line of ['AUTH FOO', 'XVERB one two']) await client.say(line);
  expect(told).toEqual([['xverb', 'one two']]);
});

test('what cannot be a credential stays readable', async () => {
  const log = await logAfter(
    'XVERB one',
    `AUTH PLAIN ${PLAIN}`,
    'AUTH GSSAPI',
    'NOOP',
    'EHLO client.example',
    'MAIL FROM:<a@b.example> SIZE=100',
    'RCPT TO:<c@d.example>',
    'XVERB two',
    'DATA',
  );
  const dispatched = log.filter((line) => line.startsWith('6 dispatching ')).map((line) => line.slice(14));
  expect(dispatched.slice(1)).toEqual([
    'XVERB one',
    'AUTH PLAIN <hidden credentials>',
    'AUTH GSSAPI',
    'NOOP',
    'EHLO client.example',
    'MAIL FROM:<a@b.example> SIZE=100',
    'RCPT TO:<c@d.example>',
    '<hidden 9 octets>',
    'DATA',
  ]);
});

test('a plugin that fails after its answer does not name the secret', async () => {
  const { plugin, lines } = recorder();
  let blame: () => void = expect.unreachable;
  const leaving = withHooks({
    'auth-plain'(_, _mechanism, { password }) {
      const charge = runningCall();
      blame = () => charge?.blame(new Error(`lost ${password}`));
      return ok();
    },
  });
  const server = await startServer({ plugins: [leaving, plugin] });
  const client = await server.greeted();
  await client.say(`AUTH PLAIN ${PLAIN}`);
  await client.say('NOOP');
  blame();
  const failures = lines.filter((line) => line.includes('behind its answer'));
  expect(failures).toEqual([expect.stringContaining('[hidden: ')]);
});

test('no client hides a refusal by the password it tries', async () => {
  const log = await logAfter('AUTH PLAIN 501', 'AUTH authentication');
  expect(log.filter((line) => /^6 50[0-9] /.test(line))).toHaveLength(2);
});
