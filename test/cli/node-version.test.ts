import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { RunningProgram } from '../process/running-program.ts';

const { complaintAbout, complaintAboutFiles } = createRequire(import.meta.url)('../../bin/begin.cjs') as {
  complaintAbout(version: string, engines: string): string | undefined;
  complaintAboutFiles(limits: string): string | undefined;
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

test.each([
  ['Max open files            96                   1048576              files', true],
  ['Max open files            128                  1048576              files', false],
  ['Max open files            unlimited            unlimited            files', false],
  ['', false],
])('%s: too few for the program, %s', (line, isTooFew) => {
  const complaint = 'qpsmtpd needs 128 open files at least, and may have 96 (ulimit -n, LimitNOFILE)';
  expect(complaintAboutFiles(`Max processes  1\n${line}\n`)).toBe(isTooFew ? complaint : undefined);
});

test('a program that may not open enough files says so, and ends with 71', async () => {
  const path = resolve(import.meta.dirname, '../../bin/qpsmtpd.cjs');
  const program = new RunningProgram(path, ['--version'], { descriptors: 96 });
  expect(await program.ended).toEqual({ code: 71, signal: null });
  expect(program.err.all).toEqual([
    'qpsmtpd needs 128 open files at least, and may have 96 (ulimit -n, LimitNOFILE)',
  ]);
});
