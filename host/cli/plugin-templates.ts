/** The files that `qpsmtpd plugin new` writes: a plugin, its test, and a dialogue. */

export type Language = 'js' | 'ts';

/** File names and their texts. */
export function pluginFiles(name: string, language: Language): ReadonlyMap<string, string> {
  return new Map([
    [`${name}.${language}`, plugin(name, language)],
    [`${name}.test.${language}`, itsTest(name, language)],
    [`${name}.txt`, dialogue(name)],
  ]);
}

const plugin = (
  name: string,
  language: Language,
): string => `${language === 'js' ? '// @ts-check\n' : ''}import { definePlugin, fail, pass, z } from 'qpsmtpd/plugin';

/** Refuses senders at one domain. */
export default definePlugin({
  name: '${name}',
  about: 'Refuses senders at one domain.',
  options: z.object({ domain: z.string().default('spam.example') }),
  positional: ['domain'],
  rejects: { reject: '1', reject_type: 'perm' },
  skipsImmune: true,
  hooks: {
    mail({ options }, reversePath) {
      const isThere = reversePath.domain.toLowerCase() === options.domain;
      return isThere ? fail('We take no mail from there', { status: '7.1' }) : pass();
    },
  },
});
`;

const itsTest = (
  name: string,
  language: Language,
): string => `${language === 'js' ? '// @ts-check\n' : ''}import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printVerdict, testPlugin } from 'qpsmtpd/testing';
import plugin from './${name}.${language}';

test('senders at the domain are refused, others are not', async () => {
  const { ask } = testPlugin(plugin, { options: 'bad.example' });
  const refusal = 'DENY We take no mail from there (#7.1)';
  assert.equal(printVerdict(await ask('mail', 'joe@bad.example')), refusal);
  assert.equal(printVerdict(await ask('mail', 'joe@good.example')), 'DECLINED');
});
`;

const dialogue = (name: string): string => `# ${name} refuses senders at its domain
# plugins: ${name} bad.example
S: 220 *
C: HELO client.example
S: 250 *
C: MAIL FROM:<joe@bad.example>
S: 550 We take no mail from there (#5.7.1)
C: MAIL FROM:<joe@good.example>
S: 250 *
C: QUIT
S: 221 *
S: [EOF]
`;
