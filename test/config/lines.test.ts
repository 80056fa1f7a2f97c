import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../host/errors/error-classes.ts';
import { open, put, scratch } from './scratch.ts';

/** The lines of the file `name` with this text. */
function linesOf(text: string | Uint8Array): readonly string[] {
  return open([put(scratch(), { name: text })]).config.lines('name');
}

describe('the lines of a file', () => {
  test('comments and blank lines are dropped, the rest is trimmed', () => {
    expect(linesOf('# c\n\n  \t\n a b \t\n\t # c\nc#d # e\n')).toEqual(['a b', 'c#d # e']);
  });

  test('line ends may be CRLF, and the last may be missing', () => {
    expect(linesOf('a\r\n\r\nb')).toEqual(['a', 'b']);
  });

  test('a backslash at the end joins nothing, quotes stay', () => {
    expect(linesOf('a \\\n"b c"\n')).toEqual(['a \\', '"b c"']);
  });

  test('text is UTF-8, and Latin-1 where it is not that', () => {
    expect(linesOf('voilà\u00a0\n')).toEqual(['voilà\u00a0']);
    expect(linesOf(Buffer.from('voilà\n', 'latin1'))).toEqual(['voilà']);
  });

  test('a byte order mark is no part of the first line', () => {
    expect(linesOf('\u{feff}# c\na\n')).toEqual(['a']);
  });

  test('nobody can change the lines that everybody reads', () => {
    expect(() => (linesOf('a\n') as string[]).push('b')).toThrow(TypeError);
  });

  test('each line knows its file and number', () => {
    const directory = put(scratch(), { list: '# c\na\n$include more\n\nz\n', more: '\nb\n' });
    const { config } = open([directory]);
    const file = join(directory, 'list');
    expect(config.linesWithPlaces('list')).toEqual([
      { text: 'a', place: { file, line: 2 } },
      { text: 'b', place: { file: join(directory, 'more'), line: 2 } },
      { text: 'z', place: { file, line: 5 } },
    ]);
    expect(config.placeOf('list')).toEqual({ file, line: 2 });
    expect(config.linesWithPlaces('me')).toEqual([
      { text: 'host.example', place: { file: join(directory, 'me') } },
    ]);
  });
});

describe('$include', () => {
  test('a relative name is looked up like any other, wherever the file that names it stands', () => {
    const first = put(scratch(), { a: '1\n$include b\n4\n' });
    const second = put(scratch(), { b: '2\n$include c\n', c: '3\n' });
    expect(open([first, second]).config.lines('a')).toEqual(['1', '2', '3', '4']);
  });

  test('an absolute path names a file', () => {
    const other = put(scratch(), { x: 'x\n' });
    const directory = put(scratch(), { a: ` $include   ${other}/x \n` });
    expect(open([directory]).config.lines('a')).toEqual(['x']);
  });

  test('a directory stands for its regular files in the order of their names', () => {
    const directory = put(scratch(), {
      a: '$include d\nend\n',
      'd/2': 'two\n',
      'd/10': 'ten\n',
      'd/.h': 'hidden\n',
    });
    mkdirSync(join(directory, 'd/folder'));
    symlinkSync('../linked', join(directory, 'd/3'));
    put(directory, { linked: 'three\n' });
    expect(open([directory]).config.lines('a')).toEqual(['ten', 'two', 'three', 'end']);
  });

  test('other spellings are ordinary lines', () => {
    expect(linesOf('$INCLUDE x\n$include\n$include a b\n$includex\n')).toHaveLength(4);
  });

  test('a missing file adds nothing, and that is said with the place', () => {
    const directory = put(scratch(), { a: '\n$include gone\nx\n' });
    const { config, log } = open([directory]);
    expect(config.lines('a')).toEqual(['x']);
    expect(log.warnings).toEqual([`${directory}/a:2: $include of gone: no such file`]);
  });

  test('a circle makes the whole list unknown, and the error has the way it goes', () => {
    const directory = put(scratch(), { a: '1\n$include b\n', b: '2\n$include a\n' });
    const { config } = open([directory]);
    const [a, b] = [join(directory, 'a'), join(directory, 'b')];
    expect(() => config.lines('a')).toThrow(
      `${a}: Circular $include reference in config a: ${a} -> ${b} -> ${a} (break the circle)`,
    );
    expect(() => config.requireReadable('a')).toThrow(ConfigError);
  });

  test('a circle is seen through symbolic links', () => {
    const directory = put(scratch(), { a: '$include b\n' });
    symlinkSync('a', join(directory, 'b'));
    const { config } = open([directory]);
    expect(() => config.lines('a')).toThrow('Circular $include reference in config a: ');
  });

  test('the same file twice is no circle', () => {
    const directory = put(scratch(), { a: '$include b\n$include b\n', b: '1\n' });
    expect(open([directory]).config.lines('a')).toEqual(['1', '1']);
  });

  test('a few small files can not grow into an endless list', () => {
    const files: Record<string, string> = { f40: 'x\n' };
    for (let n = 0; n < 40; n++) files[`f${n}`] = `$include f${n + 1}\n$include f${n + 1}\n`;
    const { config } = open([put(scratch(), files)]);
    expect(() => config.lines('f0')).toThrow('$include reaches more than 10000 files');
  });

  test('a chain that is too deep is refused', () => {
    const files: Record<string, string> = {};
    for (let n = 0; n < 200; n++) files[`f${n}`] = `$include f${n + 1}\n`;
    const { config } = open([put(scratch(), files)]);
    expect(() => config.lines('f0')).toThrow('$include nests deeper than 100 files');
  });
});

describe('numbers and flags', () => {
  test.each([
    ['20', 20],
    ['-1', -1],
    ['2.5', 2.5],
    ['007', 7],
  ])('%s is a number', (text, expected) => {
    const { config, log } = open([put(scratch(), { n: `${text}\n` })]);
    expect(config.number('n', 9)).toBe(expected);
    expect(log.errors).toEqual([]);
  });

  test.each(['20 MB', '0x10', '1e3', 'many', 'Infinity', '1_0'])(
    '%j is none: logged once, fallback',
    (text) => {
      const directory = put(scratch(), { n: `# size\n${text}\n` });
      const { config, log } = open([directory]);
      expect([config.number('n', 9), config.number('n', 9)]).toEqual([9, 9]);
      expect(log.errors).toEqual([`${directory}/n:2: '${text}' is not a number; using 9`]);
    },
  );

  test('a flag is true unless missing, empty, 0, no, off or false', () => {
    const words = ['1', 'yes', 'on', 'anything', '', '0', 'no', 'off', 'false', 'No', 'OFF'];
    const { config } = open([
      put(scratch(), Object.fromEntries(words.map((word, index) => [`f${index}`, word]))),
    ]);
    expect(words.map((_, index) => config.flag(`f${index}`))).toEqual(words.map((_, index) => index < 4));
    expect(config.flag('missing')).toBe(false);
  });

  test('me that is no host name is logged and the host name used', () => {
    const { config, log } = open([put(scratch(), { me: 'mx one\n' })]);
    expect([config.me, config.me]).toEqual(['host.example', 'host.example']);
    expect(log.errors).toHaveLength(1);
    expect(open([put(scratch(), { me: 'mx.example\n' })]).config.me).toBe('mx.example');
  });
});
