import { expect, test } from 'vitest';
import { testPlugin, printVerdict, NO_PARAMETERS } from '../../host/testing/index.ts';
import dontRequireAnglebrackets from '../../plugins/dont_require_anglebrackets.ts';

test.each([
  ['<a@b.example>', 'OK <a@b.example>', 0],
  ['<>', 'OK <>', 0],
  ['a@b.example', 'OK <a@b.example>', -2],
  ['<a@b.example', 'OK <<a@b.example>', -2],
  // Nothing at all must not become the null reverse-path.
  ['', 'DECLINED', 0],
  ['  ', 'DECLINED', 0],
] as const)('dont_require_anglebrackets: `%s` becomes %s, karma %d', async (path, answer, karma) => {
  for (const hook of ['mail_pre', 'rcpt_pre'] as const) {
    const { ask, session } = testPlugin(dontRequireAnglebrackets);
    expect(printVerdict(await ask(hook, path, NO_PARAMETERS))).toBe(answer);
    expect(session.connection.karma).toBe(karma);
  }
});
