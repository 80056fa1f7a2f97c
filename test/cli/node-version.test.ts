import { createRequire } from 'node:module';
import { expect, test } from 'vitest';

const { complaintAbout } = createRequire(import.meta.url)('../../bin/begin.cjs') as {
  complaintAbout(version: string, engines: string): string | undefined;
};

test.each(['20.19.0', '20.100.1', '21.0.0', '22.1.0', '100.0.0'])('Node %s is new enough', (version) => {
  expect(complaintAbout(version, '>=20.19')).toBeUndefined();
});

test.each(['0.12.18', '4.9.1', '18.20.8', '19.99.0', '20.2.0', '20.18.3'])(
  'Node %s is too old',
  (version) => {
    expect(complaintAbout(version, '>=20.19')).toBe(`qpsmtpd needs Node 20.19 or newer, this is ${version}`);
  },
);
