import { SETTINGS } from './settings-table.ts';
import type { Setting } from './setting-kinds.ts';

/** The table of the core's settings in docs/reference/configuration.md, one row per setting. */
export function settingRows(): string[] {
  const all: readonly Setting<unknown>[] = Object.values(SETTINGS);
  return all.map(({ files, about, form, otherwise, takesEffect }) => {
    const names = files.map((file) => `\`${file}\``).join(', else ');
    return `| ${names} | ${about} | ${form} | ${otherwise} | ${takesEffect} |`;
  });
}
