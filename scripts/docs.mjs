// Writes the generated tables of docs/reference from the built program: `npm run docs`. A test compares them.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { settingRows } from '../dist/host/reference/reference-tables.js';
import { perlFileRows } from '../dist/host/hooks/perl-files.js';
import { perlPluginRows } from '../dist/host/hooks/perl-plugins.js';
import { errorRows, exitRows } from '../dist/host/reference/error-reference.js';
import {
  extensionRows,
  hookRows,
  limitRows,
  reactionRows,
  refusalRows,
  replyRows,
} from '../dist/host/reference/reference-tables.js';

/** Replaces the body of the Markdown table whose header row starts with `header`. */
function replaceTable(file, header, rows) {
  const lines = readFileSync(file, 'utf8').split('\n');
  const start = lines.findIndex((line) => line.replace(/\s+/g, ' ').startsWith(header));
  if (start < 0) throw new Error(`${file}: no table starts with "${header}"`);
  let end = start + 2;
  while (lines[end]?.startsWith('|')) end++;
  lines.splice(start + 2, end - start - 2, ...rows);
  writeFileSync(file, lines.join('\n'));
}

replaceTable('docs/reference/configuration.md', '| File |', settingRows());
replaceTable('docs/reference/replies.md', '| Reply |', replyRows());
replaceTable('docs/reference/replies.md', '| Hook |', refusalRows());
replaceTable('docs/reference/limits.md', '| File |', limitRows());
replaceTable('docs/reference/extensions.md', '| Keyword |', extensionRows());
replaceTable('docs/reference/hooks.md', '| Hook | Asked |', hookRows());
replaceTable('docs/reference/hooks.md', '| Hook | Verdict |', reactionRows());
replaceTable('docs/reference/errors.md', '| Code |', errorRows());
replaceTable('docs/reference/errors.md', '| Exit code |', exitRows());
replaceTable('docs/reference/plugins.md', '| Name in qpsmtpd |', perlPluginRows());
replaceTable('docs/reference/configuration.md', '| File in qpsmtpd |', perlFileRows());
writeFileSync('docs/reference/api.md', execFileSync(process.execPath, ['scripts/api-report.mjs']));
