/** What requests say becomes an envelope, or a problem that names what is wrong; nothing gets past the angle brackets. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readJsonMessage, readKumoMessage, readQuery, readRawQuery } from '../../host/injection/forms.ts';
import { InjectionProblem } from '../../host/injection/problems.ts';

/** The detail of the problem that `read` ends in, with its status. */
function problem(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof InjectionProblem) return `${error.answer.status} ${error.message}`;
    throw error;
  }
  return 'none';
}

const raw = (query: string): ReturnType<typeof readRawQuery> => readRawQuery(readQuery(`/messages?${query}`));

describe('the query of a raw message', () => {
  test('a plus sign is one, and escapes are UTF-8', () => {
    expect(raw('from=a%40example.org&to=b+c@example.org&to=%C3%A4@example.org')).toEqual({
      from: 'a@example.org',
      to: ['b+c@example.org', 'ä@example.org'],
      options: {},
    });
  });

  test('an empty from is the null reverse-path', () => {
    expect(raw('from=&to=b').from).toBe('');
  });

  test('parameters become those of SMTP', () => {
    const query = 'from=a&to=b&smtputf8=true&ret=hdrs&envid=a+b%3D&notify=success&notify=failure';
    expect(raw(query).options).toEqual({
      smtputf8: true,
      ret: 'HDRS',
      envid: 'a+2Bb+3D',
      notify: 'SUCCESS,FAILURE',
    });
    expect(raw('from=a&to=b&notify=never').options).toEqual({ notify: 'NEVER' });
  });

  test.each([
    ['to=b', /^400 query parameter from: /],
    ['from=a', /^400 query parameter to: /],
    ['from=a&from=c&to=b', /^400 query parameter from: /],
    ['from=a&to=', /^400 query parameter to\[0\]: /],
    ['from=a&to=b&cc=c', /^400 the body has an unknown query parameter "cc"/],
    ['from=a&to=b&smtputf8=yes', /^400 query parameter smtputf8: /],
    ['from=a&to=b&ret=all', /^400 query parameter ret: /],
    ['from=a&to=b&envid=%C3%A4', /^400 query parameter envid: /],
    ['from=a&to=b&notify=always', /^400 query parameter notify/],
    ['from=%E4&to=b', /^400 the query has an escape that is no UTF-8/],
    [`from=a&${'to=b&'.repeat(1_001)}`, /^400 query parameter to: /],
  ])('%s', (query, text) => {
    expect(problem(() => raw(query))).toMatch(text);
  });
});

const PLAIN = { from: 'a@example.org', to: ['b@example.org'] };

describe('a message of our own JSON', () => {
  test('the content is the text in UTF-8, or the octets', () => {
    expect(readJsonMessage({ ...PLAIN, raw: 'Subject: ä' }).content.toString('hex')).toBe(
      Buffer.from('Subject: ä').toString('hex'),
    );
    expect([...readJsonMessage({ ...PLAIN, rawBase64: 'AP8=' }).content]).toEqual([0, 255]);
  });

  test.each([
    [[], /^400 the body: /],
    [null, /^400 the body: /],
    [{ ...PLAIN, raw: 'x', rawBase64: '' }, /^400 there has to be a member raw or rawBase64/],
    [PLAIN, /^400 there has to be a member raw or rawBase64/],
    [{ ...PLAIN, rawBase64: 'A' }, /^400 member rawBase64/],
    [{ ...PLAIN, raw: '\ud800' }, /^400 member raw: /],
    [{ ...PLAIN, raw: 1 }, /^400 member raw: /],
    [{ ...PLAIN, to: [], raw: 'x' }, /^400 member to: /],
    [{ ...PLAIN, to: ['b', 'c\r\nDATA'], raw: 'x' }, /^400 member to\[1\]: /],
    [{ ...PLAIN, from: 'a> SIZE=1', raw: 'x' }, /^400 member from: /],
    [{ ...PLAIN, raw: 'x', options: { smtputf8: 'yes' } }, /^400 member options\.smtputf8: /],
    [{ ...PLAIN, raw: 'x', headers: {} }, /unknown member "headers"/],
    [JSON.parse('{"__proto__":{"from":"a"},"to":["b"],"raw":"x"}') as unknown, /^400 /],
  ])('%j is refused', (body, text) => {
    expect(problem(() => readJsonMessage(body))).toMatch(text);
  });
});

const KUMO = {
  envelope_sender: 'a@example.org',
  content: 'Subject: x\n\nx',
  recipients: [{ email: 'b@c.example' }],
};

describe("a message of KumoMTA's", () => {
  test('the example of its documentation', () => {
    const { envelope, content } = readKumoMessage(KUMO);
    expect(envelope).toEqual({ from: 'a@example.org', to: ['b@c.example'], options: {} });
    expect(content.toString()).toBe('Subject: x\n\nx');
  });

  test('what a plain message may have beside that', () => {
    const recipients = [{ email: 'b@c.example', name: 'B', substitutions: {} }];
    const more = { substitutions: {}, template_dialect: 'Static', deferred_spool: false };
    expect(readKumoMessage({ ...KUMO, ...more, recipients, content: 'x: {{ y }}' }).content.toString()).toBe(
      'x: {{ y }}',
    );
  });

  test.each([
    [{ content: { text_body: 'x' } }, /^422 member content as an object/],
    [{ content: 'Hi {{ name }}' }, /^422 member content with a template/],
    [{ content: '{% if x %}', template_dialect: 'Jinja' }, /^422 member content with a template/],
    [{ substitutions: { x: 1 } }, /^422 member substitutions/],
    [
      { recipients: [{ email: 'b' }, { email: 'c', substitutions: { x: 1 } }] },
      /^422 member recipients\[1\]\.substitutions/,
    ],
    [{ deferred_generation: true }, /^422 member deferred_generation/],
    [{ deferred_spool: true }, /^422 member deferred_spool/],
    [{ trace_headers: {} }, /^422 member trace_headers/],
    [{ content: 7 }, /^400 member content: /],
    [{ recipients: [] }, /^400 member recipients: /],
    [{ recipients: ['b'] }, /^400 member recipients\[0\]: /],
    [{ template_dialect: 'Perl' }, /^400 member template_dialect: /],
    [{ campaign: 'x' }, /^400 the body has an unknown member "campaign"/],
  ])('%j', (more, text) => {
    expect(problem(() => readKumoMessage({ ...KUMO, ...more }))).toMatch(text);
  });
});

describe('any request', () => {
  const paths = fc.array(fc.string({ unit: 'binary', maxLength: 30 }), { minLength: 1, maxLength: 4 });
  const STAYS_INSIDE = /^[^\u0000-\u001f\u007f<>]*$/;

  test('has the paths it named, or is a problem: no path ends its brackets or its line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), paths, (from, to) => {
        const isFine = [from, ...to].every((path) => STAYS_INSIDE.test(path)) && !to.includes('');
        const read = [
          () => readJsonMessage({ from, to, raw: '' }).envelope,
          () =>
            readKumoMessage({
              envelope_sender: from,
              content: '',
              recipients: to.map((email) => ({ email })),
            }).envelope,
          () =>
            raw(
              `from=${encodeURIComponent(from)}&${to.map((path) => `to=${encodeURIComponent(path)}`).join('&')}`,
            ),
        ];
        const [json, , query] = read.map((each) => problem(each));
        expect([json, query].map((each) => each === 'none')).toEqual([isFine, isFine]);
        if (isFine) for (const each of read) expect(each()).toMatchObject({ from, to });
      }),
    );
  });

  test('is read or refused as malformed or not served, whatever JSON it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.boolean(), (value, isKumo) => {
        expect(problem(() => (isKumo ? readKumoMessage(value) : readJsonMessage(value)))).toMatch(
          /^(none|400|422)/,
        );
      }),
    );
  });

  test('is read or refused as malformed, whatever its query is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (query) => {
        expect(problem(() => raw(query))).toMatch(/^(none|400)/);
      }),
    );
  });
});
