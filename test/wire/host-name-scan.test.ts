import { describe, expect, it } from 'vitest';
import { ReferenceCore, WasmCore } from '../../bindings/core.ts';
import { HostNameScan } from '../../bindings/wire/index.ts';

describe.each([new WasmCore(), new ReferenceCore()])('host names by the $name core', (core) => {
  const found = (pieces: readonly string[]): string[] => {
    const names: string[] = [];
    const scan = new HostNameScan((name, place) => void names.push(`${place} ${name}`), core);
    for (const piece of pieces) scan.write(Buffer.from(piece, 'latin1'));
    scan.end();
    return names;
  };
  const TEXT = 'http://one.example/ two.example, //[::1] \xff.three.example\xff';
  const NAMES = ['url one.example', 'text two.example', 'literal ::1', 'text \xff.three.example\xff'];

  it('stand in their order, with their place', () => {
    expect(found([TEXT])).toEqual(NAMES);
    expect(found([`\xff${'.\xff'.repeat(1_000)}`]).at(0)).toMatch(/^piece /);
  });

  it('are the same wherever the text is cut', () => {
    for (let cut = 0; cut <= TEXT.length; cut++)
      expect(found([TEXT.slice(0, cut), TEXT.slice(cut)])).toEqual(NAMES);
    expect(found([...TEXT])).toEqual(NAMES);
  });

  it('the octets of a piece may be used for something else after the call', () => {
    const names: string[] = [];
    const scan = new HostNameScan((name) => void names.push(name), core);
    const piece = Buffer.from('see one.exam');
    scan.write(piece);
    piece.fill(0x20);
    scan.write(Buffer.from('ple'));
    scan.end();
    expect(names).toEqual(['one.example']);
  });

  it('a scan can be used for one text after the other: nothing is carried over', () => {
    const names: string[] = [];
    const scan = new HostNameScan((name, place) => void names.push(`${place} ${name}`), core);
    for (const text of ['http://', 'one.example', 'two.', 'example']) {
      scan.write(Buffer.from(text));
      scan.end();
    }
    expect(names).toEqual(['text one.example']);
  });

  it('whoever hears of a name may look for others in it', () => {
    const names: string[] = [];
    const inner = new HostNameScan((name) => void names.push(name), core);
    const scan = new HostNameScan((name) => {
      inner.write(Buffer.from(decodeURIComponent(name)));
      inner.end();
    }, core);
    scan.write(Buffer.from('a.example%2Fb.example c.example'));
    scan.end();
    expect(names).toEqual(['a.example', 'b.example', 'c.example']);
  });

  it('more names than a call of the core returns', () => {
    expect(found(['a.b '.repeat(10_000)])).toHaveLength(10_000);
  });
});
