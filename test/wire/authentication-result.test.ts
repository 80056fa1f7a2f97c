/** RFC 8601 section 2.2: what a client sent can neither end a result nor begin another one. */

import { expect, test } from 'vitest';
import {
  printAuthenticationResult,
  type AuthenticationResult,
} from '../../bindings/wire/authentication-result.ts';

test.each<[Omit<AuthenticationResult, 'method' | 'result'>, string]>([
  [{}, 'spf=pass'],
  [{ properties: [['smtp.mailfrom', 'a.example']] }, 'spf=pass smtp.mailfrom=a.example'],
  [{ properties: [['smtp.mailfrom', 'a@b.example']] }, 'spf=pass smtp.mailfrom=a@b.example'],
  [{ properties: [['header.i', '@b.example']] }, 'spf=pass header.i=@b.example'],
  [{ properties: [['smtp.helo', '']] }, 'spf=pass smtp.helo=""'],
  [{ properties: [['smtp.helo', 'x; dkim=pass']] }, 'spf=pass smtp.helo="x; dkim=pass"'],
  [{ properties: [['smtp.helo', 'x\r\nFrom: y']] }, 'spf=pass smtp.helo="x??From: y"'],
  [{ properties: [['smtp.helo', 'x"\\y']] }, 'spf=pass smtp.helo="x\\"\\\\y"'],
  [{ comment: 'a) (b\\' }, 'spf=pass (a\\) \\(b\\\\)'],
  [{ reason: 'it "is"', comment: 'c' }, 'spf=pass (c) reason="it \\"is\\""'],
  [{ comment: 'x'.repeat(1_000) }, `spf=pass (${'x'.repeat(197)}...)`],
  // Half of it could be the name of another.
  [
    {
      properties: [
        ['smtp.helo', 'x'.repeat(1_000)],
        ['smtp.mailfrom', 'a.example'],
      ],
    },
    'spf=pass smtp.mailfrom=a.example',
  ],
])('%j', (more, text) => {
  expect(printAuthenticationResult({ method: 'spf', result: 'pass', ...more })).toBe(text);
});
