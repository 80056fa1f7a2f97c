import { describe, expect, it } from 'vitest';
import { unescapeOctets } from './escapes.ts';
import { parseScript, ScriptError } from './script.ts';
import { parseTranscript } from './transcript.ts';

describe('a script', () => {
  it('has one step per line, and neither comments nor empty lines are steps', () => {
    expect(parseScript('S\n# prose\n\nC EHLO a.example\nN FOO\nW 0.5\nT\nE\n')).toEqual([
      { kind: 'reply' },
      { kind: 'command', text: 'EHLO a.example', patient: true },
      { kind: 'command', text: 'FOO', patient: false },
      { kind: 'pause', ms: 500 },
      { kind: 'tls' },
      { kind: 'end' },
    ]);
  });

  it('keeps the blanks of a command, and takes a lone C for an empty line', () => {
    expect(parseScript('C   MAIL  \nC\n')).toEqual([
      { kind: 'command', text: '  MAIL  ', patient: true },
      { kind: 'command', text: '', patient: true },
    ]);
  });

  it('names the line of a letter it does not know, of a bad escape and of a bad number', () => {
    expect(() => parseScript('S\nX what')).toThrow(
      new ScriptError(2, '"X what" starts with none of C N R S W T E #'),
    );
    expect(() => parseScript('R a\\q')).toThrow(/^line 1: unknown escape \\q/);
    expect(() => parseScript('W soon')).toThrow('line 1: "soon" is not a number of seconds');
    expect(() => parseScript('CEHLO')).toThrow('wants a blank after the letter');
  });
});

describe('escapes', () => {
  it('stand for single octets, 8-bit ones included', () => {
    expect([...unescapeOctets('a\\r\\n\\x00\\xe9\\\\n\\t')]).toEqual([97, 13, 10, 0, 0xe9, 92, 110, 9]);
  });

  it('are refused when cut off', () => {
    expect(() => unescapeOctets('a\\')).toThrow('ends inside an escape');
    expect(() => unescapeOctets('\\x4')).toThrow('unknown escape');
  });
});

describe('a golden dialogue', () => {
  it('tells what is sent from what must be heard', () => {
    const entries = parseTranscript(
      '# prose\nS: 220 hello\nC: NOOP\nC| .\\r\\n\n-- TLS TLSv1.3 X\nS: [EOF]\n',
    );
    expect(entries.map(({ kind, printed }) => [kind, printed])).toEqual([
      ['hear', 'S: 220 hello'],
      ['send', 'C: NOOP'],
      ['send', 'C| .\\r\\n'],
      ['tls', '-- TLS'],
      ['hear', 'S: [EOF]'],
    ]);
    expect(entries[2]).toMatchObject({ octets: Buffer.from('.\r\n') });
  });

  it('does not take a line it cannot read for prose', () => {
    expect(() => parseTranscript('S: 220\n250 OK')).toThrow('line 2: "250 OK"');
  });
});
