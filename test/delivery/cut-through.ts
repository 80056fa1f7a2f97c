/** A server whose transactions go on to a scripted hop while they happen. */

import type { CutThroughOptions } from '../../plugins/queue/smtp/hop-options.ts';
import { definePlugin, deny, ok, type PluginDefinition } from '../../bindings/plugin/index.ts';
import type { TestClient } from '../../host/testing/test-client.ts';
import { TestServer } from '../../host/testing/test-server.ts';
import { openCutThrough } from '../../plugins/queue/cut-through/index.ts';
import { hostOf } from './mail-object.ts';
import { ScriptedHop, type Script } from './scripted-hop.ts';

/** Everybody is accepted but `never@…`. */
const accepting = definePlugin({
  name: 'accepting',
  about: 'Accepts recipients.',
  hooks: { rcpt: (_, { localPart }) => (localPart === 'never' ? deny('not here') : ok()) },
});

export interface Setting {
  readonly server: TestServer;
  readonly hop: ScriptedHop;
  /** All octets the hop got, over all connections. */
  raw(): string;
  /** Messages the hop has seen the end of. */
  ends(): number;
  close(): Promise<void>;
}

export interface Given {
  readonly plugins?: readonly PluginDefinition[];
  readonly options?: Partial<CutThroughOptions>;
  readonly config?: Record<string, string | string[]>;
}

export async function cutThroughTo(script: Script, given: Given = {}): Promise<Setting> {
  const { END, GREETING } = script.says ?? {};
  let raw = '';
  let ends = 0;
  const hop = await ScriptedHop.start({
    ...script,
    says: {
      ...script.says,
      GREETING: (argument, talk) => {
        talk.socket.on('data', (octets) => (raw += octets.toString('latin1')));
        return typeof GREETING === 'function' ? GREETING(argument, talk) : (GREETING ?? '');
      },
      END: (argument, talk) => {
        ends++;
        return typeof END === 'function' ? END(argument, talk) : (END ?? '');
      },
    },
  });
  const way = definePlugin({
    name: 'way',
    about: 'Cuts through.',
    cutThrough: ({ services, log }) =>
      openCutThrough({ hosts: [hostOf(hop)], helloName: 'mx.test', log, ...given.options }, services),
    hooks: {},
  });
  const plugins = [accepting, way, ...(given.plugins ?? [])];
  const server = await TestServer.start({
    plugins,
    config: { loglevel: '2', reply_style: 'enhanced', ...given.config },
  });
  return {
    server,
    hop,
    raw: () => raw,
    ends: () => ends,
    close: async () => {
      await server.close();
      await hop.close();
    },
  };
}

/** Says MAIL, RCPT for each and DATA; returns the last reply. */
export async function beginData(client: TestClient, recipients: readonly string[] = ['a@x.test']) {
  await client.say('MAIL FROM:<s@c.example>');
  for (const recipient of recipients) await client.say(`RCPT TO:<${recipient}>`);
  return client.say('DATA');
}
