/** The letters in an A-label. RFC 3492. */

const BASE = 36;
const T_MIN = 1;
const T_MAX = 26;
const SKEW = 38;
const DAMP = 700;
const FIRST_BIAS = 72;
const FIRST_CODE = 128;
const MAX_CODE = 0x10_ffff;

/** The text of `encoded`, which is an A-label in lower case without `xn--`; undefined if it is not of that form. Section 6.2. */
export function decodePunycode(encoded: string): string | undefined {
  const delimiter = encoded.lastIndexOf('-');
  const codes = [...encoded.slice(0, Math.max(delimiter, 0))].map((letter) => letter.codePointAt(0)!);
  let [code, bias, place] = [FIRST_CODE, FIRST_BIAS, 0];
  for (let at = delimiter + 1; at < encoded.length;) {
    const before = place;
    for (let [weight, k] = [1, BASE]; ; k += BASE) {
      const digit = digitOf(encoded.charCodeAt(at++));
      // NaN after the end of the text, too.
      if (!(digit < BASE)) return undefined;
      place += digit * weight;
      if (place > Number.MAX_SAFE_INTEGER) return undefined;
      const threshold = Math.min(Math.max(k - bias, T_MIN), T_MAX);
      if (digit < threshold) break;
      weight *= BASE - threshold;
    }
    const count = codes.length + 1;
    bias = adapt(place - before, count, before === 0);
    code += Math.floor(place / count);
    place %= count;
    if (code > MAX_CODE) return undefined;
    codes.splice(place++, 0, code);
  }
  return String.fromCodePoint(...codes);
}

/** `a` to `z` are 0 to 25, `0` to `9` are 26 to 35. */
function digitOf(unit: number): number {
  if (unit >= 0x61 && unit <= 0x7a) return unit - 0x61;
  return unit >= 0x30 && unit <= 0x39 ? unit - 0x30 + 26 : NaN;
}

/** Section 6.1. */
function adapt(delta: number, count: number, isFirst: boolean): number {
  let rest = Math.floor(delta / (isFirst ? DAMP : 2));
  rest += Math.floor(rest / count);
  let k = 0;
  for (; rest > ((BASE - T_MIN) * T_MAX) / 2; k += BASE) rest = Math.floor(rest / (BASE - T_MIN));
  return k + Math.floor(((BASE - T_MIN + 1) * rest) / (rest + SKEW));
}
