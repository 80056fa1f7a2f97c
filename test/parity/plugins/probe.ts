import { readFileSync } from 'node:fs';
import {
  declined,
  definePlugin,
  z,
  type Answer,
  type HookName,
  type Verdict,
} from '../../../bindings/plugin/index.ts';
import { HOOK_NAMES, type Hooks } from '../../../bindings/plugin/hooks.ts';
import { ReturnCode } from '../../../bindings/plugin/verdict.ts';

/** Hooks that are asked about the daemon rather than about a session; they must go on answering. */
const LEFT_ALONE: readonly HookName[] = [
  'logging',
  'config',
  'user_config',
  'post-fork',
  'deny',
  'ok',
  'helo_parse',
  'ehlo_parse',
  'auth_parse',
  'mail_parse',
  'rcpt_parse',
  'auth-login',
  'auth-cram-md5',
  // Not in qpsmtpd: with these hooks EHLO would offer more than it does there.
  'auth_scram_salt',
  'auth-scram-sha-256',
  'auth-oauthbearer',
  'auth-xoauth2',
];

/**
 * Answers every hook as a file says: `HOOK CODE` or `HOOK CODE MESSAGE` per line, with `\n` for a line feed.
 * CODE is the name of a return code, a number, UNDEF (return nothing) or DIE (throw). The file is read at every
 * call, so that a running daemon can be told what to do next.
 */
export default definePlugin({
  name: 'probe',
  about: 'Answers every hook as a file says, for comparisons.',
  options: z.object({ file: z.string() }),
  positional: ['file'],
  hooks: ({ options }) => {
    const hooks = HOOK_NAMES.filter((name) => !LEFT_ALONE.includes(name));
    return Object.fromEntries(hooks.map((name) => [name, () => answer(options.file, name)])) as Hooks<{
      file: string;
    }>;
  },
});

function answer(file: string, hook: HookName): Answer {
  const line = readFileSync(file, 'latin1')
    .split('\n')
    .find((candidate) => candidate.startsWith(`${hook} `));
  if (line === undefined) return declined;
  const [, code = '', ...words] = line.split(' ');
  if (code === 'UNDEF') return undefined;
  if (code === 'DIE') throw new Error('told to die');
  const message = words.join(' ');
  // A code that is none of the seven is one of the things to be probed.
  const number = (
    code in ReturnCode ? ReturnCode[code as keyof typeof ReturnCode] : Number(code)
  ) as ReturnCode;
  const verdict: Verdict = {
    kind: 'verdict',
    code: number,
    lines: message === '' ? [] : message.split('\\n'),
  };
  return verdict;
}
