import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeWords } from '../../plugins/uribl/encoded-words.ts';
import { readPartHeader } from '../../plugins/uribl/media-type.ts';
import { MimeWalk, WALK_LIMITS, type WalkLimits } from '../../plugins/uribl/mime-walk.ts';
import { EntityDecoding } from '../../plugins/uribl/text-decoding.ts';
import { decodingOf } from '../../plugins/uribl/transfer-decoding.ts';

interface Walked {
  readonly texts: readonly string[];
  readonly exceeded: readonly string[];
}

/** The texts of a message in LF form, handed in between the cuts. */
function walk(
  message: string | Buffer,
  cuts: readonly number[] = [],
  limits: WalkLimits = WALK_LIMITS,
): Walked {
  const octets = typeof message === 'string' ? Buffer.from(message, 'latin1') : message;
  const bodyAt = octets.indexOf('\n\n');
  const header = octets.latin1Slice(0, bodyAt).replace(/\n[ \t]+/g, ' ');
  const fields = new Map(
    header.split('\n').map((line) => [line.split(':', 1)[0]!.toLowerCase(), line.replace(/^[^:]*:\s*/, '')]),
  );
  const body = octets.subarray(bodyAt + 2);
  const texts: string[] = [];
  let text = '';
  const reader = {
    write: (piece: Buffer) => void (text += piece.latin1Slice()),
    end: () => {
      if (text.trim() !== '') texts.push(text);
      text = '';
    },
  };
  const walking = new MimeWalk(
    readPartHeader((name) => fields.get(name.toLowerCase())),
    reader,
    limits,
  );
  let from = 0;
  for (const cut of [...cuts, body.length]) {
    // A copy that is gone after the call: nothing of it may be kept.
    const piece = Buffer.from(body.subarray(from, cut));
    walking.write(piece);
    piece.fill(0x2e);
    from = cut;
  }
  walking.end();
  return { texts, exceeded: [...walking.exceeded] };
}

const lines = (...all: string[]): string => all.join('\n');
const base64 = (text: string | Buffer): string =>
  Buffer.from(text)
    .toString('base64')
    .replace(/.{1,76}/g, '$&\n');
const multipart = (boundary: string, ...parts: string[]): string =>
  lines(
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    '',
    ...parts.map((part) => `--${boundary}\n${part}`),
    `--${boundary}--`,
    '',
  );

describe('texts of a message', () => {
  const CASES: readonly (readonly [title: string, message: string, texts: readonly string[]])[] = [
    ['without any header of MIME', lines('From: a', '', 'one', 'two'), ['one\ntwo']],
    ['in base64', lines('Content-Transfer-Encoding: BASE64', '', base64('one two')), ['one two']],
    [
      'in quoted-printable, with soft line breaks',
      lines(
        'Content-Transfer-Encoding: quoted-printable',
        '',
        'http://ex=',
        'ample.=63om/ =',
        'end =3d =3D =zz =',
      ),
      ['http://example.com/ end = = =zz ='],
    ],
    [
      'in UTF-16',
      lines(
        'Content-Type: text/plain; charset="utf-16le"',
        'Content-Transfer-Encoding: base64',
        '',
        base64(Buffer.from('http://one.com', 'utf16le')),
      ),
      ['http://one.com'],
    ],
    [
      'in UTF-16, which only its first octets say',
      lines('Content-Transfer-Encoding: base64', '', base64(Buffer.from('\ufeffhttp://one.com', 'utf16le'))),
      ['http://one.com'],
    ],
    [
      'in ISO-2022-JP, whose letters are ASCII to who does not know it',
      lines(
        'Content-Type: text/plain; charset=iso-2022-jp',
        '',
        '\x1b$B$3$l\x1b(Bwww.one.com\x1b$B$3$l\x1b(B',
      ),
      [Buffer.from('これwww.one.comこれ').latin1Slice()],
    ],
    [
      'in windows-1252',
      lines('Content-Type: text/plain; charset=windows-1252', '', 'www.b\xfccher.com'),
      [Buffer.from('www.bücher.com').latin1Slice()],
    ],
    ['in a charset nobody knows', lines('Content-Type: text/plain; charset=x-none', '', 'one'), ['one']],
    [
      'in HTML with entities',
      lines(
        'Content-Type: text/html',
        '',
        '<a href="http&colon;//one&#46;co&#x6D;/?a&amp;b&nbsp;&#99999999;">',
      ),
      ['<a href="http://one.com/?a&b&nbsp;&#99999999;">'],
    ],
    [
      'of each part',
      multipart('b', '\none\n', 'Content-Type: text/html\n\n&#116;wo\n'),
      ['one\n\n', 'two\n\n'],
    ],
    [
      'before the first part and after the last',
      multipart('b', '\none').replace('\n\n', '\n\nzero\n') + 'three\n',
      ['zero\n', 'one\n', 'three\n'],
    ],
    [
      'no picture',
      multipart('b', 'Content-Type: image/png\n\none', 'Content-Type: application/octet-stream\n\ntwo'),
      [],
    ],
    [
      'a file in HTML, whatever its type',
      multipart(
        'b',
        'Content-Type: application/octet-stream; name="x.HTML"\n\n&#111;ne',
        'Content-Type: application/x\nContent-Disposition: attachment;\n filename=y.txt\n\ntwo',
      ),
      ['one\n', 'two\n'],
    ],
    [
      'of parts in parts',
      multipart('a', multipart('b', '\none', '\ntwo'), '\nthree'),
      ['one\n', 'two\n', 'three\n'],
    ],
    [
      'of a part in a part that is not closed',
      multipart('a', multipart('b', '\none').replace('--b--', ''), '\ntwo'),
      ['one\n\n\n', 'two\n'],
    ],
    [
      'of a message in a message',
      multipart(
        'a',
        `Content-Type: message/rfc822\n\nSubject: x\nContent-Transfer-Encoding: base64\n\n${base64('one')}`,
      ),
      ['one'],
    ],
    [
      'in a message that is encoded against the rules',
      lines(
        'Content-Type: message/rfc822',
        'Content-Transfer-Encoding: base64',
        '',
        base64('Subject: x\n\none'),
      ),
      ['Subject: x\n\none'],
    ],
    [
      'of a part without an empty line after its header',
      multipart('b', 'Content-Type: text/html\n<a>&#111;ne'),
      ['<a>one\n'],
    ],
    [
      'where the boundary never comes',
      lines('Content-Type: multipart/mixed; boundary=x', '', 'one', '--y', 'two'),
      ['one\n--y\ntwo'],
    ],
    ['where there is no boundary', lines('Content-Type: multipart/mixed', '', 'one'), ['one']],
    [
      'where lines look like boundaries',
      multipart('b', '\n--one\n---\n-\n--bb\n-- b\n'),
      ['--one\n---\n-\n--bb\n-- b\n\n'],
    ],
    [
      'with a boundary in pieces, and comments',
      lines(
        'Content-Type: (what) multipart/mixed; (a) boundary*0="a;"; boundary*1=b',
        '',
        '--a;b',
        '',
        'one',
        '--a;b--',
      ),
      ['one\n'],
    ],
    [
      'with blanks after the boundary',
      lines('Content-Type: multipart/mixed; boundary=b', '', '--b \t', '', 'one', '--b-- '),
      ['one\n'],
    ],
    [
      'base64 in several texts, with what is no letter of it',
      lines('Content-Transfer-Encoding: base64', '', 'b25l*', 'dHc=bw==', 'dGhyZWU'),
      ['onetwothree'],
    ],
  ];

  test.each(CASES)('%s', (_, message, texts) => {
    expect(walk(message)).toEqual({ texts, exceeded: [] });
  });

  test.each(CASES)('%s, cut anywhere', (_, message, texts) => {
    const { length } = message;
    for (let cut = 0; cut < length; cut++) expect(walk(message, [cut]).texts, `cut at ${cut}`).toEqual(texts);
    expect(
      walk(
        message,
        Array.from({ length }, (_none, index) => index),
      ).texts,
    ).toEqual(texts);
  });

  test('whatever the octets and the cuts, the texts are the same, and nothing is thrown', () => {
    const piece = fc.constantFrom(
      '--b',
      '--b--',
      '--',
      '-',
      '\n',
      '\n\n',
      '=',
      '=\n',
      '=4',
      '=41',
      '&#6',
      '5;',
      '&amp',
      'YWJj',
      'YQ==',
      'text',
      ' ',
      '\xff\xfe',
      'Content-Type: text/html',
      'Content-Type: multipart/mixed; boundary=b',
      'Content-Type: message/rfc822',
      'Content-Transfer-Encoding: base64',
      'Content-Transfer-Encoding: quoted-printable',
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 40 }),
        fc.array(fc.nat(200), { maxLength: 8 }),
        (pieces, cuts) => {
          const message = `Content-Type: multipart/mixed; boundary=b\n\n${pieces.join('')}`;
          const sorted = cuts.filter((cut) => cut < message.length).sort((a, b) => a - b);
          expect(walk(message, sorted)).toEqual(walk(message));
        },
      ),
      { seed: 2046, numRuns: 2_000 },
    );
  });
});

describe('bounds', () => {
  test('parts within each other: what is deeper is read as it stands', () => {
    const depth = 1_000;
    const deep = Array.from(
      { length: depth },
      (_, level) => `Content-Type: multipart/mixed; boundary=b${level}\n\n--b${level}\n`,
    ).join('');
    const { texts, exceeded } = walk(`${deep}\nhttp://one.com\n`);
    expect(exceeded).toEqual(['32 parts within each other']);
    expect(texts.join('')).toContain('http://one.com');
  });

  test('messages in messages', () => {
    const { texts, exceeded } = walk(`${'Content-Type: message/rfc822\n\n'.repeat(1_000)}\nhttp://one.com\n`);
    expect(exceeded).toEqual(['32 parts within each other']);
    expect(texts.join('')).toContain('http://one.com');
  });

  test('number of parts', () => {
    const { texts, exceeded } = walk(multipart('b', ...Array<string>(5_000).fill('\none')));
    expect(exceeded).toEqual(['1000 parts']);
    expect(texts).toHaveLength(5_000);
  });

  test('octets of text', () => {
    const limits = { ...WALK_LIMITS, textOctets: 1_000 };
    const { exceeded } = walk(`A: b\n\n${'word '.repeat(1_000)}`, [500, 900, 1_200, 1_300], limits);
    expect(exceeded).toEqual(['1000 octets of text']);
  });

  test('lines that begin as boundaries do: from then on there are no parts', () => {
    const limits = { ...WALK_LIMITS, falseBoundaries: 10 };
    const { texts, exceeded } = walk(
      multipart('b', `\n${'--x\n'.repeat(20)}http://one.com`, '\ntwo'),
      [],
      limits,
    );
    expect(exceeded).toEqual(['10 lines that begin as boundaries do']);
    expect(texts.join('')).toContain('http://one.com');
  });

  test('a header of a part without end, and lines of it without end', () => {
    const fields = 'X: y\n'.repeat(50_000);
    expect(
      walk(multipart('b', `${fields}Content-Transfer-Encoding: base64\n\n${base64('one')}`)).texts,
    ).toEqual(['one']);
    const long = `X: ${'y'.repeat(100_000)}\n`;
    const cuts = Array.from({ length: 100 }, (_, index) => 1_000 * index);
    expect(walk(multipart('b', `${long}Content-Type: text/html\n\n&#111;ne`), cuts).texts).toEqual(['one\n']);
  });

  test('base64 and quoted-printable without end come out piece by piece', () => {
    for (const encoding of ['base64', 'quoted-printable'] as const) {
      const decoding = decodingOf(encoding)!;
      let octets = 0;
      for (let at = 0; at < 1_000; at++)
        octets += decoding.decode(Buffer.from(encoding === 'base64' ? 'YWFh' : 'zz=')).length;
      expect(octets).toBeGreaterThan(1_900);
      expect(decoding.end().length).toBeLessThan(3);
    }
  });
});

describe('pieces', () => {
  test('entities over any cut', () => {
    const text = 'a&#46;b&period;c&#x2E;d&x&#46&amp';
    for (let cut = 0; cut <= text.length; cut++) {
      const decoding = new EntityDecoding();
      const parts = [
        decoding.decode(Buffer.from(text.slice(0, cut))),
        decoding.decode(Buffer.from(text.slice(cut))),
        decoding.end(),
      ];
      expect(Buffer.concat(parts).toString()).toBe('a.b.c.d&x.&');
    }
  });

  test.each([
    ['=?utf-8?B?aHR0cDovL29uZS5jb20=?=', 'http://one.com'],
    ['=?utf-8?q?http=3A//one?= =?UTF-8*en?Q?.com_x?= y', 'http://one.com x y'],
    ['=?iso-2022-jp?B?GyRCJDMkbBsoQg==?=', 'これ'],
    ['=?x-none?q?one?= =?bad', 'one =?bad'],
  ])('words of a header: %s', (value, text) => expect(decodeWords(value).toString()).toBe(text));
});
