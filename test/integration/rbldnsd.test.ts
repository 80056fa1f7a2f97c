/** Debian's rbldnsd serves the files that our lists read: both say the same of every address and every name. */

import { createSocket, type Socket } from 'node:dgram';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode, encode, type Answer } from 'dns-packet';
import { afterAll, afterEach, expect, test } from 'vitest';
import { ZONE_FORMATS, type ZoneFormat } from '../../plugins/dns-lists/zone-files/zone-entries.ts';
import { readZone } from '../../plugins/dns-lists/zone-files/zone-parser.ts';
import { Zone } from '../../plugins/dns-lists/zone-files/zone.ts';
import { queryLabels } from '../../plugins/dns-lists/remote-list.ts';
import { amount } from '../amount.ts';
import { freePort } from '../free-port.ts';
import { Random } from '../fuzz/random.ts';
import { describeWith } from './needs.ts';
import { StartedPrograms } from './started.ts';

const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-rbldnsd-'));
// Started by root it becomes another user.
chmodSync(folder, 0o755);
const programs = new StartedPrograms();

afterEach(() => programs.end());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const numbers = new Random(20_261_130);
const dotted = (address: number): string =>
  [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');

/** Half of them in few networks, so that entries meet. */
const address4 = (): number =>
  numbers.below(2) === 0
    ? numbers.below(2 ** 32)
    : 0x0a00_0000 + numbers.pick([0, 1, 0x100, 0x1_0000]) * numbers.below(4) + numbers.below(512);

const masked = (address: number, bits: number): number =>
  Math.floor(address / 2 ** (32 - bits)) * 2 ** (32 - bits);

function network4(): string {
  const bits = numbers.pick([9, 15, 16, 17, 22, 23, 24, 25, 28, 31, 32]);
  return `${dotted(masked(address4(), bits))}/${bits}`;
}

function entry4(): string {
  const address = address4();
  const octets = dotted(address).split('.');
  switch (numbers.below(6)) {
    case 0:
      return octets.join('.');
    case 1:
      return octets.slice(0, 3).join('.');
    case 2:
      return `${octets.join('.')}-${Math.max(Number(octets[3]), numbers.below(256))}`;
    case 3:
      return `${octets.join('.')}-${dotted(Math.min(2 ** 32 - 1, address + numbers.below(70_000)))}`;
    case 4:
      return `${octets.slice(0, 2).join('.')}-${Math.min(255, Number(octets[1]) + numbers.below(3))}`;
    default:
      return network4();
  }
}

/** Eight groups. */
const groups6 = (): string[] =>
  Array.from({ length: 8 }, (_, index) =>
    (index === 0
      ? numbers.pick([0x2001, 0x2a00])
      : numbers.below(3) === 0
        ? numbers.below(0x1_0000)
        : numbers.below(3)
    ).toString(16),
  );

function entry6(): string {
  const groups = groups6();
  switch (numbers.below(3)) {
    case 0:
      return groups.join(':');
    case 1:
      return `${groups.slice(0, 2 + numbers.below(5)).join(':')}::`;
    default: {
      const length = 2 + numbers.below(5);
      return groups.slice(0, length).join(':');
    }
  }
}

const LABELS = ['com', 'org', 'example', 'mail', 'a', 'b', 'x-y', '_s', 'xn--p1ai'];
const name = (): string => Array.from({ length: 1 + numbers.below(4) }, () => numbers.pick(LABELS)).join('.');

const ENTRY: Readonly<Record<ZoneFormat, () => string>> = {
  ip4set: entry4,
  ip4trie: network4,
  ip6trie: entry6,
  ip6tset: () => groups6().slice(0, 4).join(':'),
  dnset: () => `${numbers.pick(['', '', '.', '*.'])}${name()}`,
};

const VALUES = [
  '',
  ' :3',
  ' :4:',
  ' :5:own text of $',
  ' text alone',
  ' :127.0.1.6:$1 $$ $',
  ' =whole $',
  ' # remark',
  ' ; remark',
];

function makeFile(format: ZoneFormat, entries: number): string {
  const lines = [
    ':127.0.0.2:listed, see http://lists.example/?$',
    '$1 first',
    '$1 second',
    '# a comment',
    '',
  ];
  for (let index = 0; index < entries; index++) {
    const entry = ENTRY[format]();
    if (index === entries >> 1) lines.push(':9:another default', '; a comment');
    // What is excluded from an ip6tset is an address.
    const excluded = format === 'ip6tset' ? groups6().join(':') : entry;
    lines.push(numbers.below(8) === 0 ? `!${excluded}` : `${entry}${numbers.pick(VALUES)}`);
  }
  return lines.join('\n');
}

/** A list that is the same for both; lines that only rbldnsd takes are none of them. */
const SUBJECT: Readonly<Record<ZoneFormat, () => string>> = {
  ip4set: () => dotted(address4()),
  ip4trie: () => dotted(address4()),
  ip6trie: () => groups6().join(':'),
  ip6tset: () => groups6().join(':'),
  dnset: name,
};

interface Said {
  readonly codes: readonly string[];
  readonly texts: readonly string[];
}

const WINDOW = 200;
const PATIENCE_MS = 20_000;

/** Asks rbldnsd for everything it has, so many at a time; a lost datagram is asked for again. */
class Questions {
  readonly #socket: Socket = createSocket('udp4');
  readonly #waiting = new Map<number, { resolve: (said: Said) => void; question: Buffer }>();
  readonly #port: number;
  readonly #again: NodeJS.Timeout;
  #id = 0;

  constructor(port: number) {
    this.#port = port;
    this.#socket.on('message', (octets) => {
      const { id, answers } = decode(octets);
      this.#waiting.get(id!)?.resolve(saidBy(answers ?? []));
      this.#waiting.delete(id!);
    });
    this.#again = setInterval(() => {
      for (const { question } of this.#waiting.values()) this.#send(question);
    }, 1_000);
  }

  async all(subjects: readonly string[], take: (subject: string, said: Said) => void): Promise<void> {
    let next = 0;
    const ask = async (): Promise<void> => {
      while (next < subjects.length) {
        const subject = subjects[next++]!;
        take(subject, await this.#ask(`${queryLabels(subject)}.zone.test`));
      }
    };
    await Promise.all(Array.from({ length: WINDOW }, ask));
  }

  close(): void {
    clearInterval(this.#again);
    this.#socket.close();
  }

  #ask(question: string): Promise<Said> {
    // No more than WINDOW are on their way, so no number is in use still.
    const id = (this.#id = (this.#id + 1) & 0xffff);
    const octets = encode({ type: 'query', id, questions: [{ type: 'ANY' as 'A', name: question }] });
    return new Promise((resolve) => {
      this.#waiting.set(id, { resolve, question: octets });
      this.#send(octets);
    });
  }

  #send(octets: Buffer): void {
    this.#socket.send(octets, this.#port, '127.0.0.1');
  }
}

function saidBy(answers: readonly Answer[]): Said {
  const codes = answers.flatMap((answer) => (answer.type === 'A' ? [answer.data] : []));
  const texts = answers.flatMap((answer) =>
    answer.type === 'TXT'
      ? [
          [answer.data]
            .flat()
            .map((part) => Buffer.from(part).toString('latin1'))
            .join(''),
        ]
      : [],
  );
  return { codes: codes.sort(), texts };
}

async function serve(format: ZoneFormat, content: string): Promise<{ port: number; zone: Zone }> {
  const path = join(folder, format);
  writeFileSync(path, content);
  const port = await freePort();
  const options = ['-n', '-u', 'nobody', '-b', `127.0.0.1/${port}`, `zone.test:${format}:${path}`];
  const started = programs.start(['rbldnsd', ...options]);
  await expect.poll(() => started.said(), { timeout: PATIENCE_MS }).toMatch(/ started \(/);
  const reading = readZone({ files: [readFileSync(path)], format, nowMs: Date.now(), seed: 4_711 });
  return { port, zone: new Zone(reading.zone!) };
}

describeWith('rbldnsd', 'rbldnsd')('rbldnsd', () => {
  test.each(ZONE_FORMATS)(
    '%s: the same answers',
    async (format) => {
      const { port, zone } = await serve(format, makeFile(format, format === 'dnset' ? 1_200 : 8_000));
      const questions = new Questions(port);
      const subjects = Array.from(
        { length: amount(format === 'ip4set' ? 100_000 : 20_000, 100_000) },
        SUBJECT[format],
      );
      const counts = { listed: 0, absent: 0 };
      try {
        await questions.all(subjects, (subject, { codes, texts }) => {
          const entry = zone.find(subject);
          const own = { subject, codes: [...(entry?.codes ?? [])].sort() };
          expect(own).toEqual({ subject, codes });
          // Of several texts ours is one.
          const text = entry?.text();
          if (text === undefined) expect({ subject, texts }).toEqual({ subject, texts: [] });
          else
            expect({ subject, texts }).toEqual({
              subject,
              texts: expect.arrayContaining([text]) as string[],
            });
          counts[codes.length === 0 ? 'absent' : 'listed']++;
        });
      } finally {
        questions.close();
      }
      // Neither answer is rare.
      expect(Math.min(counts.listed, counts.absent)).toBeGreaterThan(subjects.length / 50);
    },
    300_000,
  );
});
