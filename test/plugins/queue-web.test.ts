import { describe, expect, test } from 'vitest';
import type { Outlet, RecipientOutcome, Services } from '../../bindings/plugin/index.ts';
import amqp from '../../plugins/queue/amqp/index.ts';
import webhook from '../../plugins/queue/webhook/index.ts';
import { given, words } from './plugin-context.ts';

function outlets(outcomes: readonly Partial<RecipientOutcome>[] = []) {
  const opened: object[] = [];
  const outlet: Outlet = { deliver: () => Promise.resolve(outcomes as RecipientOutcome[]) };
  const open = (terms: object): Outlet => {
    opened.push(terms);
    return outlet;
  };
  const services: Partial<Services> = { webOutlets: { webhook: open, amqp: open } };
  return { opened, services };
}

describe('queue/webhook', () => {
  test.each([
    [
      'https://h/x',
      { url: 'https://h/x', format: 'raw', per: undefined, isPlainAllowed: false, maxConnections: 16 },
    ],
    ['https://h/x?a=b postmark', { url: 'https://h/x?a=b', format: 'postmark', requestTimeoutMs: 60_000 }],
    [
      'http://h/ Action-Mailbox per recipient secrets /s ca_file /c insecure yes max_octets 9 connect_timeout 2 request_timeout 3 connections 4',
      {
        format: 'action-mailbox',
        per: 'recipient',
        secretsFile: '/s',
        authoritiesFile: '/c',
        isPlainAllowed: true,
        maxOctets: 9,
        connectTimeoutMs: 2_000,
        requestTimeoutMs: 3_000,
        maxConnections: 4,
      },
    ],
  ])('%s', (line, terms) => {
    const { opened, services } = outlets();
    given(webhook, { words: line, services });
    expect(opened).toEqual([expect.objectContaining(terms)]);
  });

  test.each([
    ['', 'url: is missing'],
    ['https://h/ soap', 'format: '],
    ['https://h/ per user', 'per: '],
    ['https://h/ request_timeout 0', 'request_timeout: must be a whole number from 1 to 240'],
    ['https://h/ connections many', 'connections: must be a whole number'],
    ['https://h/ raw more', 'unknown option `more`'],
  ])('%s is refused at start: %s', (line, problem) => {
    expect(() => given(webhook, { words: line, services: outlets().services })).toThrow(problem);
  });

  test('answers with what became of the message', async () => {
    const refused = { kind: 'refused', reply: { code: 552, status: '5.3.4', lines: ['too big'] } } as const;
    const accepted = {
      kind: 'delivered',
      reply: { code: 250, status: '2.0.0', lines: ['Queued! 7'] },
    } as const;
    const tell = (outcomes: readonly Partial<RecipientOutcome>[]) =>
      given(webhook, { words: 'https://h/', services: outlets(outcomes).services })
        .ask('queue')
        .then(words);
    expect(await tell([accepted])).toBe('OK Queued! 7 (#0.0)');
    expect(await tell([accepted, refused])).toBe('DENY too big (#3.4)');
  });
});

describe('queue/amqp', () => {
  test.each([
    [
      'amqps://b/ mail',
      { url: 'amqps://b/', routingKey: 'mail', exchange: '', unroutable: 'defer', maxInFlight: 100 },
    ],
    ['amqps://b/ mail.%d in', { routingKey: 'mail.%d', exchange: 'in', confirmTimeoutMs: 30_000 }],
    [
      'amqp://b/v q per message unroutable refuse insecure on secrets /s ca_file /c confirm_timeout 5 in_flight 6 max_octets 7',
      {
        per: 'message',
        unroutable: 'refuse',
        isPlainAllowed: true,
        secretsFile: '/s',
        authoritiesFile: '/c',
        confirmTimeoutMs: 5_000,
        maxInFlight: 6,
        maxOctets: 7,
      },
    ],
  ])('%s', (line, terms) => {
    const { opened, services } = outlets();
    given(amqp, { words: line, services });
    expect(opened).toEqual([expect.objectContaining(terms)]);
  });

  test.each([
    ['', 'url: is missing'],
    ['amqps://b/', 'routing_key: is missing'],
    [`amqps://b/ ${'k'.repeat(256)}`, 'routing_key: has more than 255 characters'],
    ['amqps://b/ q unroutable drop', 'unroutable: '],
    ['amqps://b/ q confirm_timeout 0', 'confirm_timeout: must be'],
  ])('%s is refused at start: %s', (line, problem) => {
    expect(() => given(amqp, { words: line, services: outlets().services })).toThrow(problem);
  });

  test('answers with what became of the message', async () => {
    const returned = {
      kind: 'deferred',
      reply: { code: 451, status: '4.4.4', lines: ['no route'] },
    } as const;
    const { ask } = given(amqp, { words: 'amqps://b/ q', services: outlets([returned]).services });
    expect(words(await ask('queue'))).toBe('DENYSOFT no route (#4.4)');
  });
});
