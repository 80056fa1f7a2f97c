/** Lines of `http_tokens`: scopes, and who a client with the token is. */

import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { userInfo } from 'node:os';
import { expect, test } from 'vitest';
import { qpsmtpd } from '../../host/cli/main.ts';
import { runGuarded } from '../../host/cli/program.ts';
import { smtpDaemon } from '../../host/embed/smtp-daemon.ts';
import { HttpTokens } from '../../host/settings/http-tokens.ts';
import { put, scratch } from '../config/scratch.ts';

const TOKEN = 'a-token-of-some-length';
const compile = (...lines: readonly string[]): HttpTokens =>
  HttpTokens.compile(lines.map((text, index) => ({ text, place: { file: 'http_tokens', line: index + 1 } })));

test('a token is a user of its own, by name or by its digest', () => {
  const tokens = compile(`${TOKEN} inject relay as=shop`, `${TOKEN}-2 inject`);
  expect(tokens.find(TOKEN)).toMatchObject({ login: 'shop', scopes: new Set(['inject', 'relay']) });
  expect(tokens.find(`${TOKEN}-2`)!.login).toMatch(/^token-[0-9a-f]{8}$/);
  expect(tokens.find(`${TOKEN}-3`)).toBeUndefined();
  expect([tokens.serves('inject'), tokens.serves('nginx-auth')]).toEqual([true, false]);
});

test.each([
  [`${TOKEN} as=shop`, /the token has no scope/],
  [`${TOKEN} inject as=`, /as= names one user/],
  [`${TOKEN} inject as=a as=b`, /as= names one user/],
  [`${TOKEN} inject as=\u00e4`, /as= names one user/],
  [`${TOKEN} injekt`, /there is no scope 'injekt' \(did you mean inject\?\)|there is no scope 'injekt'/],
])('"%s" is refused, and its secret not told', (line, text) => {
  expect(() => compile(line)).toThrow(text);
  expect(() => compile(line)).not.toThrow(TOKEN);
});

/** What `check` says of the file with this mode. */
async function checkWithMode(mode: string): Promise<{ code: number; err: string; file: string }> {
  const folder = put(scratch(), {
    plugins: 'rcpt_ok\nqueue/discard\n',
    listeners: 'http://127.0.0.1:8025 inject=raw\n',
    http_tokens: `# of the shop\n${TOKEN} inject\n`,
  });
  const file = join(folder, 'http_tokens');
  chmodSync(file, Number.parseInt(mode, 8));
  const err: string[] = [];
  const terminal = { out: () => undefined, err: (line: string) => void err.push(line) };
  const args = ['check', '--config', folder, '--user', userInfo().username];
  const code = await runGuarded((words) => qpsmtpd(words, smtpDaemon, terminal), args, terminal);
  return { code, err: err.join('\n'), file };
}

test.each(['600', '640', '660'])('a file of mode %s may hold tokens', async (mode) => {
  expect(await checkWithMode(mode)).toMatchObject({ code: 0, err: '' });
});

test.each(['644', '604', '602', '666'])(
  'a file of mode %s, which others could read or add a token to, is refused',
  async (mode) => {
    const { code, err, file } = await checkWithMode(mode);
    expect(code).toBe(78);
    expect(err).toContain(`${file}:2: `);
    expect(err).toContain('chmod 640 the file');
    expect(err).not.toContain(TOKEN);
  },
);
