/** Links between pages lead somewhere, to a heading that is there, and the README leads to every guide. */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const PAGES = execFileSync('git', ['ls-files', '*.md'], { cwd: ROOT, encoding: 'utf8' }).trim().split('\n');

/** Without examples, which may hold anything. */
const textOf = (page: string): string =>
  readFileSync(join(ROOT, page), 'utf8').replace(/^```[^]*?^```$/gm, '');

/** As GitHub makes them of headings. */
const slug = (heading: string): string =>
  heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .trim()
    .replace(/ /g, '-');

function anchorsOf(page: string): ReadonlySet<string> {
  const slugs = [...textOf(page).matchAll(/^#{1,6} +(.*)$/gm)].map(([, heading]) => slug(heading!));
  return new Set(
    slugs.map((name, at) => {
      const before = slugs.slice(0, at).filter((other) => other === name).length;
      return before === 0 ? name : `${name}-${before}`;
    }),
  );
}

const linksOf = (page: string): readonly string[] =>
  [...textOf(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link!)
    .filter((link) => !/^[a-z]+:/.test(link));

function isDead(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : join(dirname(page), path);
  if (!existsSync(join(ROOT, target))) return true;
  return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).has(anchor);
}

test('links between pages', () => {
  const links = PAGES.flatMap((page) => linksOf(page).map((link) => [page, link] as const));
  expect(links.length).toBeGreaterThan(200);
  expect(links.filter(([page, link]) => isDead(page, link))).toEqual([]);
});

test('the README leads to every guide', () => {
  const links = linksOf('README.md').map((link) => link.split('#')[0]);
  const guides = PAGES.filter((page) => /^docs\/guide\/[^/]+\.md$/.test(page));
  expect(guides.length).toBeGreaterThan(10);
  expect(guides.filter((guide) => !links.includes(guide))).toEqual([]);
});
