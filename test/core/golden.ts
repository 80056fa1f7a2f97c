import { readFileSync } from 'node:fs';
import { parseOctets } from './octet-text.ts';

/** One case of a golden file: its heading, what goes in, and the records that must come out. */
export interface Sample {
  readonly title: string;
  readonly input: Uint8Array;
  readonly expected: string;
}

/** Reads a Markdown file of cases: `## title`, prose, a fence of `octets` and a fence of `records`. */
export function readSamples(name: string): readonly Sample[] {
  const text = readFileSync(new URL(name, import.meta.url), 'utf8');
  const samples = text.split(/^## /m).slice(1).map(readSample);
  if (samples.length === 0) throw new Error(`${name}: no cases`);
  return samples;
}

function readSample(section: string): Sample {
  const title = section.slice(0, section.indexOf('\n'));
  return {
    title,
    input: parseOctets(readFence(section, title, 'octets')),
    expected: readFence(section, title, 'records'),
  };
}

function readFence(section: string, title: string, language: string): string {
  const found = new RegExp(`^\`\`\`${language}\\n(.*?)\\n?^\`\`\`$`, 'ms').exec(section);
  if (found === null) throw new Error(`${title}: no fence of ${language}`);
  return found[1]!;
}
