/** Lines of `http_tokens`: scopes, and who a client with the token is. */

import { expect, test } from 'vitest';
import { HttpTokens } from '../../host/settings/http-tokens.ts';

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
