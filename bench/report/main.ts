/** `npm run bench:report`: makes docs/benchmarks.md and its charts from the results that are there. */

import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../places.ts';
import { readPart, readResults, type ServerResults } from '../results.ts';
import { microPictures, serverPictures, type Picture } from './pictures.ts';
import {
  againSection,
  daySection,
  forwardSection,
  frontsSection,
  microSection,
  serverSection,
} from './sections.ts';

const DOCS = join(ROOT, 'docs');
const PICTURES = join(DOCS, 'benchmarks');

const INTRODUCTION = `# Benchmarks

Made by \`npm run bench:report\` from the files in \`bench/results\`; do not edit it. How the figures come about, and what
they can and cannot say, is written in [bench/README.md](../bench/README.md).`;

function main(): void {
  const [micro, day] = [readResults('micro'), readResults('apache-day')];
  const fronts = readResults('fronts');
  const [again, forwarding] = [readPart('again'), readPart('forward')];
  const whole = readResults('server');
  const server = whole !== undefined && forwarding !== undefined ? withoutForwarding(whole) : whole;
  if (server === undefined && micro === undefined && day === undefined) {
    throw new Error(
      'bench/results holds nothing: run npm run bench, npm run bench:server or npm run bench:apache-day first',
    );
  }
  const pictures: Picture[] = [
    ...(server === undefined ? [] : serverPictures(server)),
    ...(micro === undefined ? [] : microPictures(micro)),
  ];
  const sections = [
    INTRODUCTION,
    ...(server === undefined ? [] : [serverSection(server, pictures)]),
    ...(again === undefined ? [] : [againSection(again)]),
    ...(forwarding === undefined ? [] : [forwardSection(forwarding)]),
    ...(fronts === undefined ? [] : [frontsSection(fronts)]),
    ...(day === undefined ? [] : [daySection(day)]),
    ...(micro === undefined ? [] : [microSection(micro, pictures)]),
  ];
  mkdirSync(PICTURES, { recursive: true });
  for (const name of readdirSync(PICTURES)) if (name.endsWith('.svg')) rmSync(join(PICTURES, name));
  for (const { file, svg } of pictures) writeFileSync(join(PICTURES, file), svg);
  writeFileSync(join(DOCS, 'benchmarks.md'), `${sections.join('\n\n')}\n`);
  process.stdout.write(`docs/benchmarks.md and ${pictures.length} charts in docs/benchmarks\n`);
}

/** What a run of its own has measured is shown once. */
const withoutForwarding = (results: ServerResults): ServerResults => ({
  ...results,
  workloads: results.workloads.filter(({ needs }) => needs !== 'forward'),
});

try {
  main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
