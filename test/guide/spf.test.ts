/** docs/guide/sender-authentication.md, its section on SPF, tried with what the package exports. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import { fakeResolver, TestClock, TestServer, type FakeDnsZones } from '../../host/testing/index.ts';

const GUIDE = readFileSync(new URL('../../docs/guide/sender-authentication.md', import.meta.url), 'utf8');
/** The blocks of the page that hold nothing but lines of `config/plugins`. */
const [ORDER = [], LINE = []] = [...GUIDE.matchAll(/```\n(.*?)```/gs)]
  .map(([, text]) => text!.trim().split('\n'))
  .filter((lines) => lines.some((line) => line.startsWith('sender_permitted_from')));

const SENDER = 'a.example';
const CLIENT = '192.0.2.3';
const QUESTION = `TXT ${SENDER}`;
const record = (text: string): FakeDnsZones => ({ [SENDER]: { TXT: [text] } });

/** What the client is told at MAIL, and what stands on top of its message, if it could send that. */
async function send(
  plugins: readonly string[],
  zones: FakeDnsZones,
): Promise<{ reply: string; fields: string }> {
  let fields = '';
  const site = definePlugin({
    name: 'queue/site',
    about: 'Stands for the rest of the site.',
    hooks: {
      rcpt: () => ok(),
      queue({ transaction: { message } }) {
        fields = ['Authentication-Results', 'Received-SPF']
          .map((name) => message.header.get(name))
          .join('\n');
        return ok('kept');
      },
    },
  });
  const clock = new TestClock();
  const resolver = fakeResolver(zones, clock);
  const server = await TestServer.start({
    plugins: [...plugins, site],
    config: { me: 'mx.example.org' },
    resolver,
    clock,
  });
  try {
    const client = server.connect({ address: CLIENT });
    /** The time of the DNS goes on until the server answers. */
    const hear = async (answer: Promise<string>): Promise<string> => {
      let isHeard = false;
      void answer.finally(() => (isHeard = true));
      for (let round = 0; !isHeard && round < 1_000; round++) await resolver.advance(500);
      return answer;
    };
    await hear(client.reply());
    await client.say('EHLO mail.a.example');
    const told = hear(client.say(`MAIL FROM:<u@${SENDER}>`));
    await resolver.whenAsked(QUESTION);
    const reply = await told;
    if (reply.startsWith('250')) {
      await client.say('RCPT TO:<b@here.example>');
      await client.say('DATA');
      expect(await hear(client.say('From: u@a.example\r\n\r\nx\r\n.'))).toContain('250');
    }
    return { reply, fields };
  } finally {
    await server.close();
  }
}

test('the guide has both: the order of the lines, and a line for SPF', () => {
  expect(ORDER).toContain('sender_permitted_from');
  expect(LINE).toEqual(['sender_permitted_from reject 3']);
});

test('it accepts a client that the domain permits, and tells so as the page shows', async () => {
  const { reply, fields } = await send(LINE, record('v=spf1 ip4:192.0.2.0/24 -all'));
  expect(reply).toContain('250');
  const shown = /^Received-SPF: (.*?)\n```/ms.exec(GUIDE)![1]!.replace(/\n(?= )/g, '');
  expect(fields).toBe(`mx.example.org; auth=none; spf=pass smtp.mailfrom=${SENDER}\n${shown}`);
});

test('it refuses a client that the domain forbids', async () => {
  const { reply } = await send(LINE, record('v=spf1 ip4:198.51.100.1 -all'));
  expect(reply).toBe(
    `550 SPF - forgery: ${SENDER}: Sender is not authorized to use 'u@${SENDER}' in 'mfrom' identity`,
  );
});

test.each<[string, FakeDnsZones, readonly string[]]>([
  ['is silent', { [SENDER]: 'timeout' }, LINE],
  ['is silent, without reject', { [SENDER]: 'timeout' }, ORDER],
  ['fails', { [SENDER]: 'SERVFAIL' }, LINE],
  ['is out of reach', { [SENDER]: 'unreachable' }, LINE],
])('a DNS that %s refuses nobody: the message goes on with temperror', async (_, zones, plugins) => {
  const { reply, fields } = await send(plugins, zones);
  expect(reply).toContain('250');
  expect(fields).toContain(`spf=temperror smtp.mailfrom=${SENDER}`);
  expect(fields).toMatch(/\ntemperror \(a\.example: /);
});

test.each<[string, FakeDnsZones]>([
  ['is silent', { [SENDER]: 'timeout' }],
  ['fails', { [SENDER]: 'SERVFAIL' }],
])('a DNS that %s puts the client off where the operator says so', async (_, zones) => {
  const [line = ''] = LINE;
  const { reply } = await send([`${line} ${/`(temperror defer)`/.exec(GUIDE)![1]}`], zones);
  expect(reply).toMatch(/^450 SPF - temperror: a\.example: /);
});
