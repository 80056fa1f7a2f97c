import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeaderFlag } from '../../bindings/core/contract.ts';
import { HeaderFields } from '../../host/message/header-fields.ts';
import { core } from './core.ts';
import { cpuMs } from '../patience.ts';

const parse = (text: string | Buffer): HeaderFields =>
  new HeaderFields(core, Buffer.from(text as string, 'latin1'));
const print = (header: HeaderFields, lineEnds: 'crlf' | 'lf' = 'lf'): string =>
  Buffer.concat(header.render(lineEnds)).toString('utf8');

const SAMPLE = 'Received: a\r\n\tb\r\nFrom: x@y\r\nSUBJECT:  hello \r\nreceived : c\r\nX-Odd:z\r\n\r\nbody';

it('an index takes no memory outside the heap: V8 would mark the whole heap for a few hundred of the largest', () => {
  const leading = Buffer.from(`${'a:\r\n'.repeat(1_900)}\r\n`, 'latin1');
  const before = process.memoryUsage().arrayBuffers;
  const headers = Array.from({ length: 100 }, () => new HeaderFields(core, leading));
  const after = process.memoryUsage().arrayBuffers;
  expect(headers.every(({ fieldCount }) => fieldCount === 1_900)).toBe(true);
  expect(after - before).toBeLessThan(1_000_000);
});

describe('reading header fields (RFC 5322 section 2.2)', () => {
  it('compares names without case, known to the core or not, and unfolds values', () => {
    const header = parse(SAMPLE);
    expect(header.get('received')).toBe('a\tb');
    expect(header.get('subject')).toBe('hello');
    expect(header.get('x-ODD')).toBe('z');
    expect(header.get('X-Other')).toBeUndefined();
    expect(header.all('Received')).toEqual(['a\tb', 'c']);
    expect(header.count('RECEIVED')).toBe(2);
    expect(header.names()).toEqual(['Received', 'From', 'SUBJECT', 'received', 'X-Odd']);
  });

  it('reads UTF-8 as UTF-8 and anything else as one character an octet', () => {
    const header = new HeaderFields(core, Buffer.from('A: \u00fc\u20ac\r\nB: \xfc\r\n\r\n', 'utf8'));
    expect(header.get('a')).toBe('\u00fc\u20ac');
    const other = new HeaderFields(core, Buffer.from('A: \xfc\r\n\r\n', 'latin1'));
    expect(other.get('a')).toBe('\u00fc');
  });

  it('takes a message without an empty line for a header, and an empty line at the start for no header', () => {
    expect(parse('Subject: x').get('subject')).toBe('x');
    expect(print(parse('Subject: x'))).toBe('Subject: x');
    const none = parse('\r\nFrom: body\r\n');
    expect(none.names()).toEqual([]);
    expect(none.octets).toBe(0);
    expect(print(none)).toBe('');
  });

  it('leaves malformed lines where they are and gives them no name', () => {
    const text = 'From: a\r\nno field here\r\n folded\r\n: nor here\r\nTo: b\r\n';
    const header = parse(`${text}\r\n`);
    expect(header.names()).toEqual(['From', 'To']);
    expect(header.flags & HeaderFlag.Malformed).not.toBe(0);
    expect(print(header, 'crlf')).toBe(text);
  });

  it('takes time linear in a value full of blanks', () => {
    const header = parse(`A: x${' '.repeat(100_000)}y\r\nB: ${' \r\n '.repeat(20_000)}z\r\n\r\n`);
    const from = cpuMs();
    expect(header.get('a')).toHaveLength(100_002);
    expect(header.get('b')).toBe('z');
    expect(cpuMs() - from).toBeLessThan(2_000);
  });
});

describe('editing header fields', () => {
  it('puts prepended fields on top, the last one first, and appended ones at the end', () => {
    const header = parse('From: a\r\n\r\n');
    header.prepend('Received', 'from x\n by y');
    header.prepend('X-HELO', 'h');
    header.append('X-Low', '1');
    header.append('X-Lower', '\u00fc');
    expect(print(header)).toBe('X-HELO: h\nReceived: from x\n by y\nFrom: a\nX-Low: 1\nX-Lower: \u00fc\n');
    expect(print(header, 'crlf')).toContain('from x\r\n by y\r\n');
    expect(header.names()).toEqual(['X-HELO', 'Received', 'From', 'X-Low', 'X-Lower']);
    expect(header.get('received')).toBe('from x by y');
    expect(header.get('x-lower')).toBe('\u00fc');
  });

  it('finishes a last line without line end before it appends', () => {
    const header = parse('From: a');
    header.append('B', 'c');
    expect(print(header, 'crlf')).toBe('From: a\r\nB: c\r\n');
    const empty = parse('\r\nbody');
    empty.append('B', 'c');
    expect(print(empty, 'crlf')).toBe('B: c\r\n');
  });

  it('removes every field of a name with its folds, added ones too, and touches no other octet', () => {
    const header = parse(SAMPLE);
    header.prepend('Received', 'new');
    header.append('Received', 'newer');
    expect(header.remove('RECEIVED')).toBe(4);
    expect(header.remove('received')).toBe(0);
    expect(header.count('received')).toBe(0);
    expect(print(header, 'crlf')).toBe('From: x@y\r\nSUBJECT:  hello \r\nX-Odd:z\r\n');
  });

  it('gives the original octets as one view when nothing was removed', () => {
    const block = Buffer.from(SAMPLE);
    const header = new HeaderFields(core, block);
    header.prepend('A', 'b');
    const blocks = header.render('crlf');
    expect(blocks).toHaveLength(2);
    expect(blocks[1]!.buffer).toBe(block.buffer);
  });

  it('lets no value break out of its field: header injection', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('\r', '\n', '\0', ' ', '\t', 'X: y', 'a'), { maxLength: 12 }),
        (parts) => {
          const header = parse('From: a\r\n\r\n');
          header.prepend('A', parts.join(''));
          const text = print(header, 'crlf');
          expect(text.endsWith('\r\nFrom: a\r\n')).toBe(true);
          const lines = text.slice(0, -'\r\nFrom: a\r\n'.length).split('\r\n');
          expect(lines[0]!.startsWith('A: ')).toBe(true);
          for (const line of lines.slice(1)) expect(line).toMatch(/^[ \t]+[^ \t]/);
          for (const line of lines) expect(line).not.toMatch(/[\r\n\0]/);
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each(['', 'a b', 'a:', 'a\n', '\u00fc', 'a\0'])('refuses %j as a field name', (name) => {
    const header = parse('\r\n');
    expect(() => header.prepend(name, 'x')).toThrow(TypeError);
    expect(() => header.append(name, 'x')).toThrow(TypeError);
    expect(print(header)).toBe('');
  });

  it('drops continuation lines at the very top, which would become the end of our field', () => {
    const header = parse(' evil; dkim=pass\r\n\t \r\nFrom: a\r\n\r\n');
    expect(print(header, 'crlf')).toBe(' evil; dkim=pass\r\n\t \r\nFrom: a\r\n');
    header.prepend('Authentication-Results', 'us; auth=none');
    expect(print(header, 'crlf')).toBe('Authentication-Results: us; auth=none\r\nFrom: a\r\n');
  });
});
