/** Tables for the terminal and for Markdown. */

type Row = readonly string[];

const widthsOf = (rows: readonly Row[]): number[] =>
  rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));

/** Columns of even width, the first to the left and the others to the right. */
export function printTable(head: Row, rows: readonly Row[]): string {
  const widths = widthsOf([head, ...rows]);
  const line = (row: Row): string =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd();
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}

/** A Markdown table in the form the formatter leaves alone. */
export function markdownTable(
  head: Row,
  rows: readonly Row[],
  isNumeric: (column: number) => boolean = (c) => c > 0,
): string {
  const all = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = widthsOf(all).map((width) => Math.max(width, 3));
  const line = (row: Row): string =>
    `| ${row.map((cell, column) => (isNumeric(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (isNumeric(column) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width))).join(' | ')} |`;
  return [line(all[0]!), rule, ...all.slice(1).map(line)].join('\n');
}
