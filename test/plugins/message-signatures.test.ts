import { expect, test } from 'vitest';
import { outcomes, RFC_6376, RFC_8463, verified } from './dkim-samples.ts';

test('RFC 6376 appendix A.2: the example passes', async () => {
  const found = await verified(RFC_6376.message, RFC_6376.zones);
  expect(outcomes(found)).toEqual(['pass']);
  expect(found.signatures[0]).toMatchObject({
    domain: 'example.com',
    selector: 'brisbane',
    identity: 'joe@football.example.com',
    algorithm: 'rsa-sha256',
    signatureStart: 'AuUoFEfD',
    isTesting: false,
  });
  expect(found).toMatchObject({ headerFrom: ['joe@football.example.com'], fromFields: 1, passedOver: 0 });
});

test('RFC 8463 appendix A: both signatures of the example pass', async () => {
  const found = await verified(RFC_8463.message, RFC_8463.zones);
  expect(outcomes(found)).toEqual(['pass', 'pass']);
  expect(found.signatures.map(({ algorithm }) => algorithm)).toEqual(['ed25519-sha256', 'rsa-sha256']);
});

test('a message without signatures has none', async () => {
  const found = await verified('From: a@b.example\n\nx\n', {});
  expect(found).toMatchObject({ signatures: [], headerFrom: ['a@b.example'], fault: undefined });
});
