/** Several queue plugins, and the hooks around them, as the client and the plugins see it. */

import { expect, onTestFinished, test } from 'vitest';
import {
  decline,
  declined,
  definePlugin,
  deny,
  denySoft,
  done,
  ok,
  type PluginDefinition,
  type Verdict,
} from '../../bindings/plugin/index.ts';
import { TestServer } from '../../host/testing/index.ts';

const rcptAccepted = definePlugin({ name: 'accept', about: '', hooks: { rcpt: () => ok() } });

type Answers = Readonly<Record<string, Verdict>>;

/** Plugins one, two and three, with the verdicts of their queue hooks, and hooks that write down when they are asked. */
async function deliver(queues: Answers, around: { pre?: Verdict; post?: Verdict } = {}) {
  const asked: string[] = [];
  const queue = (name: string, verdict: Verdict): PluginDefinition =>
    definePlugin({ name, about: '', hooks: { queue: () => (asked.push(name), verdict) } });
  const watch = definePlugin({
    name: 'watch',
    about: '',
    hooks: {
      queue_pre: () => (asked.push('queue_pre'), around.pre),
      queue_post: ({ transaction }) => {
        asked.push(`queue_post ${transaction.recipients.length}`);
        return around.post;
      },
    },
  });
  const definitions = [
    rcptAccepted,
    watch,
    ...Object.entries(queues).map(([name, verdict]) => queue(name, verdict)),
  ];
  const server = await TestServer.start({ plugins: definitions.map(({ name }) => name), definitions });
  onTestFinished(() => server.close());
  const client = await server.greeted();
  for (const line of ['MAIL FROM:<a@b.example>', 'RCPT TO:<u@x.example>', 'DATA']) await client.say(line);
  client.send('Subject: x\r\n\r\nx\r\n.\r\n');
  const reply = await client.reply();
  // The reply comes before queue_post is done.
  expect(await client.say('NOOP')).toMatch(/^250 /);
  return { reply, asked };
}

const TAKEN = ok('taken');

test.each([
  [{ one: TAKEN, two: TAKEN }, /^250 taken/, ['one']],
  [{ one: declined, two: TAKEN, three: deny('no') }, /^250 taken/, ['one', 'two']],
  [{ one: denySoft('later'), two: TAKEN }, /^45\d later/, ['one']],
  [{ one: deny('never'), two: TAKEN }, /^55\d never/, ['one']],
  [{ one: decline('queue error (open)'), two: declined }, /^451 queue error \(open\)/, ['one', 'two']],
  [{ one: decline('first'), two: decline('second') }, /^451 second/, ['one', 'two']],
  [{}, /^451 /, []],
])('%j: %s', async (queues, expected, names) => {
  const { reply, asked } = await deliver(queues as Answers);
  expect(reply).toMatch(expected);
  expect(asked).toEqual(['queue_pre', ...names, 'queue_post 0']);
});

test.each([
  [ok('x'), /^250 taken/, true],
  [declined, /^250 taken/, true],
  [deny('no'), /^451 /, false],
  [denySoft('no'), /^451 /, false],
])('queue_pre %j: %s', async (pre, expected, isQueued) => {
  const { reply, asked } = await deliver({ one: TAKEN }, { pre });
  expect(reply).toMatch(expected);
  expect(asked.includes('one')).toBe(isQueued);
});

test.each([ok('x'), deny('no'), denySoft('no'), done])('queue_post %j changes nothing', async (post) => {
  expect((await deliver({ one: TAKEN }, { post })).reply).toMatch(/^250 taken/);
});
