/** Reads the dates that messages carry. RFC 5322 sections 3.3 and 4.3. */

/** Longer texts are no dates; what is matched below stays short. */
const MAX_LENGTH = 128;

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** Zone names of RFC 5322 section 4.3, in minutes; any other name counts as UTC there. */
const ZONES: Readonly<Record<string, number>> = {
  EDT: -240,
  EST: -300,
  CDT: -300,
  CST: -360,
  MDT: -360,
  MST: -420,
  PDT: -420,
  PST: -480,
};

const MAIL_FORM =
  /^(?:[a-z]{3,9}\.?,? *)?(\d{1,2})[ -]+([a-z]{3})[a-z]{0,6}[ -]+(\d{2,4}),? +(\d{1,2}) ?: ?(\d{2})(?: ?: ?(\d{2})(?:\.\d+)?)?(?: *([+-]\d{4}|[a-z]{1,5}))?/i;
/** What ctime prints, as some mailers put it. */
const CTIME_FORM =
  /^[a-z]{3},? +([a-z]{3}) +(\d{1,2}) +(\d{1,2}):(\d{2}):(\d{2})(?: +([+-]\d{4}|[a-z]{1,5}))? +(\d{4})/i;

/** Milliseconds since the epoch, or undefined for a text that is no date. A date without a zone is taken for UTC. */
export function parseMailDate(text: string): number | undefined {
  const plain = withoutComments(text.slice(0, MAX_LENGTH)).replace(/\s+/g, ' ').trim();
  const mail = MAIL_FORM.exec(plain);
  if (mail !== null) {
    const [, day, month, year, hour, minute, second, zone] = mail;
    return instant([year!, month!, day!, hour!, minute!, second ?? '0'], zone);
  }
  const ctime = CTIME_FORM.exec(plain);
  if (ctime === null) return undefined;
  const [, month, day, hour, minute, second, zone, year] = ctime;
  return instant([year!, month!, day!, hour!, minute!, second!], zone);
}

function withoutComments(text: string): string {
  let depth = 0;
  let plain = '';
  for (const char of text) {
    if (char === '(') depth++;
    else if (char === ')' && depth > 0) depth--;
    else if (depth === 0) plain += char;
  }
  return plain;
}

type Parts = readonly [
  year: string,
  month: string,
  day: string,
  hour: string,
  minute: string,
  second: string,
];

function instant(parts: Parts, zone: string | undefined): number | undefined {
  const [, monthName] = parts;
  const month = MONTHS.indexOf(monthName.toLowerCase());
  const [day, hour, minute, second] = [parts[2], parts[3], parts[4], parts[5]].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  if (month < 0 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return undefined;
  const days = daysSinceEpoch(fullYear(parts[0]), month + 1, day);
  return (((days * 24 + hour) * 60 + minute - zoneMinutes(zone)) * 60 + second) * 1000;
}

/** Years of two and three digits. RFC 5322 section 4.3. */
function fullYear(digits: string): number {
  const year = Number(digits);
  if (digits.length === 2) return year < 50 ? 2000 + year : 1900 + year;
  return digits.length === 3 ? 1900 + year : year;
}

function zoneMinutes(zone = ''): number {
  const offset = /^([+-])(\d\d)(\d\d)$/.exec(zone);
  if (offset === null) return ZONES[zone.toUpperCase()] ?? 0;
  const minutes = Number(offset[2]) * 60 + Number(offset[3]);
  return offset[1] === '-' ? -minutes : minutes;
}

/** Days from 1 January 1970 in the Gregorian calendar; years are counted from March, so that the leap day comes last. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const marchYear = month > 2 ? year : year - 1;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
