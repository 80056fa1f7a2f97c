/** Horizontal bars with the least and the largest value marked. */

import { showNumber, type Spread } from '../statistics.ts';
import { COLOURS, line, rect, svg, text } from './svg.ts';

export interface Bar {
  readonly label: string;
  readonly value: Spread;
  /** This project's own bars stand out. */
  readonly isOwn: boolean;
}

const WIDTH = 760;
const LABELS = 250;
const VALUES = 90;
const BAR = 16;
const STEP = 26;
const TOP = 44;
const OTHERS = '#b0b0b0';

/** A length on paper for a value; logarithmic where the largest is so large that the others would vanish. */
export function barScale(
  values: readonly number[],
  room: number,
): { readonly isLog: boolean; readonly at: (value: number) => number } {
  const largest = Math.max(...values);
  const least = Math.min(...values);
  const isLog = least > 0 && largest / least > 30;
  if (!isLog) return { isLog, at: (value) => (largest === 0 ? 0 : (value / largest) * room) };
  // Begun at half of the least, so that the shortest bar can still be seen.
  const from = Math.log(least / 2);
  return { isLog, at: (value) => ((Math.log(value) - from) / (Math.log(largest) - from)) * room };
}

export function barChart(title: string, unit: string, bars: readonly Bar[]): string {
  const room = WIDTH - LABELS - VALUES;
  const { isLog, at } = barScale(
    bars.flatMap(({ value }) => [value.min, value.max]).filter((value) => value > 0),
    room,
  );
  const shapes = bars.flatMap(({ label, value, isOwn }, index) => {
    const y = TOP + index * STEP;
    const end = LABELS + at(value.median);
    const [low, high] = [LABELS + at(Math.max(value.min, 0)), LABELS + at(value.max)];
    return [
      text(LABELS - 8, y + 12, label, 'end', isOwn ? 'bold' : 'normal'),
      rect(LABELS, y, end - LABELS, BAR, isOwn ? COLOURS[0] : OTHERS),
      line(low, y + BAR / 2, high, y + BAR / 2, '#444444'),
      line(low, y + 5, low, y + BAR - 5, '#444444'),
      line(high, y + 5, high, y + BAR - 5, '#444444'),
      text(Math.max(end, high) + 6, y + 12, showNumber(value.median)),
    ];
  });
  const subtitle = `${unit}: median, with least and largest${isLog ? '; logarithmic' : ''}`;
  const head = [text(8, 18, title, 'start', 'bold'), text(8, 34, subtitle)];
  return svg(WIDTH, TOP + bars.length * STEP + 6, title, [...head, ...shapes]);
}
