import { describe, expect, test } from 'vitest';
import {
  queueInto,
  type OptionShape,
  type Outlet,
  type PluginDefinition,
  type RecipientOutcome,
  type Setup,
  type z,
} from '../../bindings/plugin/index.ts';
import type { Hooks } from '../../bindings/plugin/hooks.ts';
import amqp from '../../plugins/queue/amqp/index.ts';
import webhook from '../../plugins/queue/webhook/index.ts';
import { given, words } from '../hooks/plugin-context.ts';

/** The plugin with an outlet of the test, which is opened under these options. */
function withOutlet<S extends OptionShape>(
  definition: PluginDefinition<S>,
  outcomes: readonly Partial<RecipientOutcome>[] = [],
): { opened: unknown[]; plugin: PluginDefinition<S> } {
  const opened: unknown[] = [];
  const outlet: Outlet = { deliver: () => Promise.resolve(outcomes as RecipientOutcome[]) };
  const hooks = (setup: Setup<z.output<S>>): Hooks<z.output<S>> => {
    opened.push(setup.options);
    return { queue: queueInto(outlet) };
  };
  return { opened, plugin: { ...definition, hooks } };
}

describe('queue/webhook', () => {
  test.each([
    ['https://h/x', { url: 'https://h/x', format: 'raw', insecure: false, connections: 16 }],
    ['https://h/x?a=b postmark', { url: 'https://h/x?a=b', format: 'postmark', request_timeout: 60 }],
    [
      'http://h/ Action-Mailbox per recipient secrets /s ca_file /c insecure yes max_octets 9 connect_timeout 2 request_timeout 3 connections 4',
      {
        format: 'action-mailbox',
        per: 'recipient',
        secrets: '/s',
        ca_file: '/c',
        insecure: true,
        max_octets: 9,
        connect_timeout: 2,
        request_timeout: 3,
        connections: 4,
      },
    ],
  ])('%s', (line, options) => {
    const { opened, plugin } = withOutlet(webhook);
    given(plugin, { words: line });
    expect(opened).toEqual([expect.objectContaining(options)]);
  });

  test.each([
    ['', 'url: is missing'],
    ['https://h/ soap', 'format: '],
    ['https://h/ per user', 'per: '],
    ['https://h/ request_timeout 0', 'request_timeout: must be a whole number from 1 to 240'],
    ['https://h/ connections many', 'connections: must be a whole number'],
    ['https://h/ raw more', 'unknown option `more`'],
  ])('%s is refused at start: %s', (line, problem) => {
    expect(() => given(withOutlet(webhook).plugin, { words: line })).toThrow(problem);
  });

  test('answers with what became of the message', async () => {
    const refused = { kind: 'refused', reply: { code: 552, status: '5.3.4', lines: ['too big'] } } as const;
    const accepted = {
      kind: 'delivered',
      reply: { code: 250, status: '2.0.0', lines: ['Queued! 7'] },
    } as const;
    const tell = (outcomes: readonly Partial<RecipientOutcome>[]) =>
      given(withOutlet(webhook, outcomes).plugin, { words: 'https://h/' }).ask('queue').then(words);
    expect(await tell([accepted])).toBe('OK Queued! 7 (#0.0)');
    expect(await tell([accepted, refused])).toBe('DENY too big (#3.4)');
  });
});

describe('queue/amqp', () => {
  test.each([
    [
      'amqps://b/ mail',
      { url: 'amqps://b/', routing_key: 'mail', exchange: '', unroutable: 'defer', in_flight: 100 },
    ],
    ['amqps://b/ mail.%d in', { routing_key: 'mail.%d', exchange: 'in', confirm_timeout: 30 }],
    [
      'amqp://b/v q per message unroutable refuse insecure on secrets /s ca_file /c confirm_timeout 5 in_flight 6 max_octets 7',
      {
        per: 'message',
        unroutable: 'refuse',
        insecure: true,
        secrets: '/s',
        ca_file: '/c',
        confirm_timeout: 5,
        in_flight: 6,
        max_octets: 7,
      },
    ],
  ])('%s', (line, options) => {
    const { opened, plugin } = withOutlet(amqp);
    given(plugin, { words: line });
    expect(opened).toEqual([expect.objectContaining(options)]);
  });

  test.each([
    ['', 'url: is missing'],
    ['amqps://b/', 'routing_key: is missing'],
    [`amqps://b/ ${'k'.repeat(256)}`, 'routing_key: has more than 255 characters'],
    ['amqps://b/ q unroutable drop', 'unroutable: '],
    ['amqps://b/ q confirm_timeout 0', 'confirm_timeout: must be'],
  ])('%s is refused at start: %s', (line, problem) => {
    expect(() => given(withOutlet(amqp).plugin, { words: line })).toThrow(problem);
  });

  test('answers with what became of the message', async () => {
    const returned = {
      kind: 'deferred',
      reply: { code: 451, status: '4.4.4', lines: ['no route'] },
    } as const;
    const { ask } = given(withOutlet(amqp, [returned]).plugin, { words: 'amqps://b/ q' });
    expect(words(await ask('queue'))).toBe('DENYSOFT no route (#4.4)');
  });
});
