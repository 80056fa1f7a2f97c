/** Lines through measured points, for what grows. */

import { showNumber } from '../statistics.ts';
import { circle, COLOURS, line, polyline, svg, text } from './svg.ts';

export interface Series {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface Axes {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
}

const WIDTH = 760;
const HEIGHT = 340;
const LEFT = 70;
const RIGHT = 20;
const TOP = 60;
const BOTTOM = 50;

interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** Logarithmic over more than two decades, with 0 one place left of the least; otherwise straight from 0. */
export function scaleOf(values: readonly number[], from: number, to: number, mayBeLog: boolean): Scale {
  const positive = values.filter((value) => value > 0);
  const largest = Math.max(...positive, 1e-9);
  const least = Math.min(...positive, largest);
  if (mayBeLog && largest / least >= 30) {
    const start = Math.log10(values.includes(0) ? least / 10 : least);
    const end = Math.log10(largest);
    const at = (value: number): number =>
      from + ((value > 0 ? Math.log10(value) - start : 0) / (end - start)) * (to - from);
    const decades = Array.from(
      { length: Math.floor(end) - Math.ceil(start) + 1 },
      (_, index) => 10 ** (Math.ceil(start) + index),
    );
    return { at, ticks: values.includes(0) ? [0, ...decades.filter((tick) => tick >= least)] : decades };
  }
  const step = niceStep(largest / 4);
  const top = Math.ceil(largest / step) * step;
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step);
  return { at: (value) => from + (value / top) * (to - from), ticks };
}

/** 1, 2 or 5 times a power of ten, at least `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least)!;
}

export function lineChart({ title, xLabel, yLabel }: Axes, series: readonly Series[]): string {
  const points = series.flatMap((each) => each.points);
  const x = scaleOf(
    points.map((point) => point.x),
    LEFT,
    WIDTH - RIGHT,
    true,
  );
  const y = scaleOf(
    points.map((point) => point.y),
    HEIGHT - BOTTOM,
    TOP,
    true,
  );
  const floor = HEIGHT - BOTTOM;
  const grid = [
    ...y.ticks.flatMap((tick) => [
      line(LEFT, y.at(tick), WIDTH - RIGHT, y.at(tick), '#dddddd'),
      text(LEFT - 6, y.at(tick) + 4, showTick(tick), 'end'),
    ]),
    ...x.ticks.flatMap((tick) => [
      line(x.at(tick), floor, x.at(tick), floor + 5),
      text(x.at(tick), floor + 18, showTick(tick), 'middle'),
    ]),
    line(LEFT, floor, WIDTH - RIGHT, floor),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, xLabel, 'middle'),
  ];
  const lines = series.flatMap((each, index) => {
    const colour = COLOURS[index % COLOURS.length]!;
    const places = each.points.map((point) => [x.at(point.x), y.at(point.y)] as const);
    return [
      polyline(places, colour),
      ...places.map(([left, top]) => circle(left, top, colour)),
      circle(LEFT + 8 + index * 200, TOP - 16, colour),
      text(LEFT + 16 + index * 200, TOP - 12, each.name),
    ];
  });
  const head = [text(8, 18, title, 'start', 'bold'), text(8, 34, yLabel)];
  return svg(WIDTH, HEIGHT, title, [...head, ...grid, ...lines]);
}

const showTick = (value: number): string =>
  Number.isInteger(value) ? value.toLocaleString('en-US') : showNumber(value);
