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
import { TestServer } from 'qpsmtpd/testing';
import plugin from './${name}.${language}';

test('senders at the domain are refused, others are not', async () => {
  const server = await TestServer.start({ plugins: ['${name} bad.example'], definitions: [plugin] });
  try {
    const client = await server.greeted();
    assert.equal(await client.say('MAIL FROM:<joe@bad.example>'), '550 We take no mail from there (#5.7.1)');
    assert.match(await client.say('MAIL FROM:<joe@good.example>'), /^250 /);
  } finally {
    await server.close();
  }
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
