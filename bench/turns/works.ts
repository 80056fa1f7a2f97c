/** What plugins do with messages that are as costly as a sender can make them. */

import type { PluginDefinition } from '../../bindings/plugin/index.ts';
import { fakeResolver, TestClock, testPlugin } from '../../host/testing/index.ts';
import { storedMessage } from '../../host/testing/test-session.ts';
import arc from '../../plugins/arc/index.ts';
import dkim from '../../plugins/dkim.ts';
import dmarc from '../../plugins/dmarc/index.ts';
import { messageHosts } from '../../plugins/uribl/message-hosts.ts';
import { withChain, withSignatures, type Sample } from './signed-messages.ts';

export interface Work {
  readonly name: string;
  /** Does what long ones of its kind do, and is over at once. */
  readonly isShort?: boolean;
  /** Makes the message, which takes as long as it takes; what it returns is measured, once. */
  prepare(): () => Promise<unknown>;
  /** What the work has to find, so that nothing is measured that did not happen. */
  readonly finds: RegExp;
}

const BODY_OCTETS = 100_000_000;
const NOW = Date.parse('2026-11-22T12:00:00Z');

/** Lets a plugin judge the message, from the end of its header on; resolves with what it adds to Authentication-Results. */
function judgedBy(plugin: PluginDefinition, { message, zones }: Sample): () => Promise<string> {
  const tested = testPlugin(plugin, { clock: new TestClock(NOW), resolver: fakeResolver(zones) });
  tested.begin({ from: '<a@author.example>', to: ['<c@d.example>'], message });
  return async () => {
    for (const hook of ['data_headers_end', 'data_post_headers', 'data_post'] as const)
      await tested.ask(hook);
    return [...tested.session.connection.authenticationResults.map(String), ...tested.log].join('\n');
  };
}

function hostsOf(header: string, body: Buffer): () => Promise<string> {
  const message = storedMessage(Buffer.concat([Buffer.from(header), body]));
  return async () => {
    const isLeftOut = (): boolean => false;
    const random = (): number => 0.5;
    const options = { maxNames: 100, wantsAddresses: true, scansHeader: true, isLeftOut, random };
    const { names, exceeded } = await messageHosts(message, options);
    return `${names.length} names, ${exceeded.join(', ')}`;
  };
}

/** As many octets of the text as are asked for, in whole pieces. */
const filled = (octets: number, text: string | Buffer): Buffer =>
  Buffer.alloc(octets - (octets % Buffer.byteLength(text)), text);

const signedBody =
  (form: 'simple' | 'relaxed', text: string, relaxed = text) =>
  (): (() => Promise<unknown>) => {
    const body = filled(BODY_OCTETS, text);
    const canonical =
      form === 'simple' ? body : filled((body.length / text.length) * relaxed.length, relaxed);
    return judgedBy(dkim, withSignatures(body, 1, { form: `relaxed/${form}`, canonical }));
  };

/** Distinct names, so that each is looked at. */
function urls(count: number, host: (index: number) => string): Buffer {
  const lines: string[] = [];
  for (let index = 0; index < count; index++) lines.push(`See http://${host(index)}/ now.`);
  return Buffer.from(`${lines.join('\r\n')}\r\n`);
}

const base64Text = (text: string): Buffer =>
  filled(BODY_OCTETS, Buffer.from(text.repeat(19)).toString('base64') + '\r\n');

const addressesOf = (octets: number): string => {
  let field = 'From: a@d.example';
  for (let index = 0; field.length < octets; index++) field += `,\r\n u@n${index}.example`;
  return field;
};

/** A header of this many octets in fields of a few. */
const shortFields = (octets: number, field: string): string =>
  field.repeat(Math.floor(octets / field.length));

const plainMessage = (header: string, body: string | Buffer = 'x\r\n'): Sample => ({
  message: Buffer.concat([Buffer.from(`${header}\r\n\r\n`), Buffer.from(body)]),
  zones: {},
});

const FROM = 'From: a@author.example';
const NAMES_500 = `${'x:'.repeat(499)}from`;
const HI = Buffer.from('Hi.\r\n');

export const WORKS: readonly Work[] = [
  {
    name: 'dkim: a message like most',
    isShort: true,
    prepare: () => judgedBy(dkim, withSignatures(HI, 2, { bits: 2_048 })),
    finds: /bad signature/,
  },
  {
    name: 'dkim: 100 MB, simple',
    prepare: signedBody('simple', 'A line of text with blanks in it.\r\n'),
    finds: /bad signature/,
  },
  {
    name: 'dkim: 100 MB, relaxed',
    prepare: signedBody('relaxed', 'A line of text with blanks in it.\r\n'),
    finds: /bad signature/,
  },
  {
    name: 'dkim: 100 MB, relaxed, of blanks',
    prepare: signedBody('relaxed', 'a \t b\t \r\n\r\n', 'a b\r\n\r\n'),
    finds: /dkim=fail/,
  },
  {
    name: 'dkim: 50 signatures of 4,096 bits, a hash each',
    prepare: () => judgedBy(dkim, withSignatures(filled(1_000_000, 'some text\r\n'), 50)),
    finds: /bad signature/,
  },
  {
    name: 'dkim: 10 signatures over 64 KB of 500 fields',
    prepare: () => {
      const above = `X: ${' \ta'.repeat(38)}\r\n`.repeat(500);
      return judgedBy(dkim, withSignatures(HI, 10, { above, names: NAMES_500 }));
    },
    finds: /bad signature/,
  },
  {
    name: 'dkim: 10 signatures over one field of 60 KB, simple',
    prepare: () => {
      const above = `X: ${'\r\n '.repeat(20_000)}x\r\n`;
      return judgedBy(dkim, withSignatures(HI, 10, { above, names: 'x:from', form: 'simple/simple' }));
    },
    finds: /bad signature/,
  },
  {
    name: 'dkim: header of 256 KB in 2,000 fields',
    prepare: () => {
      const above = shortFields(240_000, `X: ${'a'.repeat(115)}\r\n`);
      return judgedBy(dkim, withSignatures(HI, 1, { above, names: NAMES_500 }));
    },
    finds: /bad signature/,
  },
  {
    name: 'dkim: header of 64 KB in lines of one octet',
    prepare: () => judgedBy(dkim, withSignatures(HI, 1, { above: `X:a\r\n${' \r\n'.repeat(21_000)}` })),
    finds: /bad signature/,
  },
  {
    name: 'arc: 50 sets of 1,024 bits',
    prepare: () => judgedBy(arc, withChain(50, 0, 1_024)),
    finds: /arc=pass/,
  },
  {
    name: 'arc: 11 sets of 4,096 bits, 40 KB',
    prepare: () => judgedBy(arc, withChain(11, 1_500, 4_096)),
    finds: /arc=pass/,
  },
  {
    name: 'arc: 50 sets of 4,096 bits, 250 KB',
    prepare: () => judgedBy(arc, withChain(50, 2_500, 4_096)),
    finds: /arc=fail/,
  },
  {
    name: 'dmarc: From of 64 KB of addresses',
    prepare: () => judgedBy(dmarc, plainMessage(addressesOf(65_536))),
    finds: /dmarc=/,
  },
  {
    name: 'dmarc: From of 256 KB of addresses',
    prepare: () => judgedBy(dmarc, plainMessage(addressesOf(256_000))),
    finds: /dmarc=/,
  },
  {
    name: 'dmarc: From of 256 KB of comments and quotes',
    prepare: () => judgedBy(dmarc, plainMessage(`From: ${'(a) "b" '.repeat(31_000)}<a@author.example>`)),
    finds: /dmarc=/,
  },
  {
    name: 'dmarc: 2,000 From fields',
    prepare: () => judgedBy(dmarc, plainMessage(Array<string>(1_990).fill(FROM).join('\r\n'))),
    finds: /dmarc=permerror/,
  },
  {
    name: 'uribl: 1,000,000 URLs of different domains',
    prepare: () =>
      hostsOf(
        `${FROM}\r\n\r\n`,
        urls(1_000_000, (index) => `w.d${index}.com`),
      ),
    finds: /100 names/,
  },
  {
    name: 'uribl: 1,000,000 URLs of 20,000 domains',
    prepare: () =>
      hostsOf(
        `${FROM}\r\n\r\n`,
        urls(1_000_000, (index) => `w.d${index % 90}.com`),
      ),
    finds: /90|100/,
  },
  {
    name: 'uribl: URLs with escapes and octets above 127',
    prepare: () =>
      hostsOf(
        `${FROM}\r\n\r\n`,
        urls(1_000_000, (index) => `%77ü.ü${index % 19_000}.%25%32%65c.com`),
      ),
    finds: /names/,
  },
  {
    name: 'uribl: 100 MB of text in base64',
    prepare: () =>
      hostsOf(
        `${FROM}\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n`,
        base64Text('a&#46;b '),
      ),
    finds: /names/,
  },
  {
    name: 'uribl: 100 MB of padded base64',
    prepare: () =>
      hostsOf(
        `${FROM}\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n`,
        filled(BODY_OCTETS, 'YQ==\r\n'),
      ),
    finds: /names/,
  },
  {
    name: 'uribl: 100 MB that is no text',
    prepare: () =>
      hostsOf(
        `${FROM}\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n`,
        base64Text('a'),
      ),
    finds: /0 names/,
  },
  {
    name: 'uribl: header of 256 KB of encoded words',
    prepare: () =>
      hostsOf(`Subject: ${shortFields(250_000, '=?iso-2022-jp?B?aHR0cDovL2EuY29t?=\r\n ')}x\r\n\r\n`, HI),
    finds: /names/,
  },
];
