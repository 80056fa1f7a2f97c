import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { fakeResolver, printVerdict, TestClock, testPlugin } from '../../host/testing/index.ts';
import domainkeys from '../../plugins/domainkeys.ts';
import { keyTags, NOW, withSignature } from './dkim-samples.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 1_024 });
const BROKEN = withSignature('From: a@example.org\n\nx\n', rsa).replace('From: a', 'From: b');

test.each([
  ['reject 1', 'domainkeys reject 1', 'DENY signature invalid: fail (bad signature)', 1],
  ['', 'domainkeys', 'DECLINED', 1],
  ['reject 1 warn_only 1', 'domainkeys reject 1 warn_only 1', 'DECLINED', 1],
  ['reject 1', 'dkim\ndomainkeys reject 1', 'DECLINED', 0],
])('domainkeys %s is another name for dkim, beside %j', async (options, plugins, answer, results) => {
  const resolver = fakeResolver({ 's1._domainkey.example.org': { TXT: [`v=DKIM1; ${keyTags(rsa)}`] } });
  const config = { plugins };
  const { ask, session, log } = testPlugin(domainkeys, {
    options,
    config,
    clock: new TestClock(NOW),
    resolver,
  });
  session.begin({ from: '<a@example.org>', message: BROKEN });
  await ask('data_post_headers');
  expect(printVerdict(await ask('data_post'))).toBe(answer);
  expect(session.connection.authenticationResults).toHaveLength(results);
  expect(log.join()).toContain('DomainKeys is historic (RFC 4870)');
});
