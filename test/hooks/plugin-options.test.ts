import { describe, expect, test } from 'vitest';
import { definePlugin, wholeNumber, z } from '../../bindings/plugin/index.ts';
import { PluginErrors } from '../../host/errors/error-classes.ts';
import { editDistance, nearest } from '../../bindings/lists/nearest.ts';
import { parsePluginLine } from '../../host/hooks/plugin-line.ts';
import { describePlugin } from '../../host/hooks/plugin-description.ts';
import maildir from '../../plugins/queue/maildir/index.ts';
import { given } from './plugin-context.ts';

const place = { file: 'config/plugins', line: 7 };

describe('the line', () => {
  test.each([
    ['rcpt_ok', 'rcpt_ok', 'rcpt_ok', []],
    ['  queue/maildir   /var/mail\t%l ', 'queue/maildir', 'queue/maildir', ['/var/mail', '%l']],
    ['badmailfrom:2 reject 0', 'badmailfrom:2', 'badmailfrom', ['reject', '0']],
    // As with qpsmtpd, quotes are characters like others.
    ['p text "two words"', 'p', 'p', ['text', '"two', 'words"']],
  ])('`%s` is split at blanks', (text, name, file, words) => {
    expect(parsePluginLine({ text, place })).toEqual({ name, file, args: words, place });
  });

  test.each([
    ['caf\u00e9', /^config\/plugins:7: unsafe characters in config line/],
    ['p \u001b[31m', /unsafe characters/],
    ['p a\u0000b', /unsafe characters/],
    ['../../tmp/evil', /no plugin name/],
    ['/tmp/evil', /no plugin name/],
    ['queue/../../evil', /no plugin name/],
    ['queue//evil', /no plugin name/],
    ['queue/', /no plugin name/],
    ['evil.js', /no plugin name/],
    ['C:\\evil', /no plugin name/],
    ['%2e%2e/evil', /no plugin name/],
    ['name:', /no plugin name/],
    ['name:x', /no plugin name/],
    ['My::Plugin', /Perl module/],
    ['', /no plugin name/],
  ])('`%s` is refused', (text, problem) => {
    expect(() => parsePluginLine({ text, place })).toThrow(problem);
  });
});

const sample = definePlugin({
  name: 'sample',
  about: '',
  rejects: { reject: '1' },
  options: z.object({
    server: z.string(),
    port: wholeNumber(1, 65_535).default(25),
    zones: z.array(z.string()).optional(),
    mode: z.enum(['fast', 'slow'], 'must be fast or slow').optional(),
  }),
  positional: ['server', 'port'],
  hooks: {},
});
const optionsOf = (words: string): unknown => given(sample, { words }).plugin.options;

describe('the arguments', () => {
  test.each([
    ['a.example', { server: 'a.example', port: 25 }],
    ['a.example 26', { server: 'a.example', port: 26 }],
    ['port 26 a.example', { server: 'a.example', port: 26 }],
    ['server a.example 27', { server: 'a.example', port: 27 }],
    ['a.example zones x zones y', { server: 'a.example', port: 25, zones: ['x', 'y'] }],
    ['a.example loglevel +1 reject 0', { server: 'a.example', port: 25 }],
    ['server loglevel', { server: 'loglevel', port: 25 }],
  ])('`%s` are taken left to right', (words, options) => {
    expect(optionsOf(words)).toEqual(options);
  });

  test.each([
    ['a prot 26', 'plugins:1: sample: unknown option `prot`, did you mean `port`?'],
    ['a 26 rejct 0', 'plugins:1: sample: unknown option `rejct`, did you mean `reject`?'],
    [
      'a 26 entirely',
      'plugins:1: sample: unknown option `entirely` (it takes server, port, zones, mode, reject',
    ],
    ['a port', 'plugins:1: sample: option `port` has no value'],
    ['a port 1 port 2', 'plugins:1: sample: option `port` is given twice'],
    ['a server b', 'plugins:1: sample: option `server` is given twice'],
    ['', 'plugins:1: sample: server: is missing'],
    ['a 70000', 'plugins:1: sample: port: must be a whole number from 1 to 65535 (here it is `70000`)'],
    ['a mode brisk', 'plugins:1: sample: mode: must be fast or slow (here it is `brisk`)'],
    ['a loglevel 9', 'plugins:1: sample: loglevel: must be 0 to 7, or +N or -N'],
    ['a reject maybe', 'plugins:1: sample: reject: '],
    ['a __proto__', 'plugins:1: sample: port: must be a whole number'],
    ['a 1 __proto__ x', 'plugins:1: sample: unknown option `__proto__`'],
    ['a 1 constructor x', 'plugins:1: sample: unknown option `constructor`'],
  ])('`%s` is refused: %s', (words, message) => {
    expect(() => optionsOf(words)).toThrow(message);
    expect(() => optionsOf(words)).toThrow(expect.objectContaining({ code: 'Q_PLUGIN_OPTION' }));
  });

  test('all that is wrong with the values is said at once', () => {
    const thrown = (() => {
      try {
        return optionsOf('port 0 mode brisk reject 7');
      } catch (cause) {
        return cause;
      }
    })() as PluginErrors;
    expect(thrown).toBeInstanceOf(PluginErrors);
    expect(
      thrown.problems.map(({ message }) => message.replace(/^plugins:1: sample: /, '').split(':')[0]),
    ).toEqual(['server', 'port', 'mode', 'reject']);
  });

  test('an option given by place may be a list, and then takes all that is left', () => {
    const lists = definePlugin({
      name: 'lists',
      about: '',
      options: z.object({ urls: z.array(z.string()).min(1).default(['none']) }),
      positional: ['urls'],
      hooks: {},
    });
    expect(given(lists, { words: 'a b c' }).plugin.options).toEqual({ urls: ['a', 'b', 'c'] });
    expect(given(lists).plugin.options).toEqual({ urls: ['none'] });
  });
});

test('a slip of the pen is recognised, another word is not', () => {
  expect(editDistance('kitten', 'sitting')).toBe(3);
  expect(nearest('badmailform', ['badmailfrom', 'badrcptto'])).toBe('badmailfrom');
  expect(editDistance('mial', 'mail')).toBe(1);
  expect(editDistance('', 'abc')).toBe(3);
  expect(nearest('x', ['y', 'reject'])).toBe('y');
  expect(nearest('timeout', ['reject', 'port'])).toBeUndefined();
});

test.each(['', '0700', '750'])(
  'queue/maildir shows permissions `%s` as they are written, in octal',
  (mode) => {
    const words = mode === '' ? '/m' : `/m %l ${mode}`;
    const { plugin } = given(maildir, { words });
    expect(describePlugin(plugin).options['permissions']).toBe(mode === '750' ? '750' : '700');
  },
);
