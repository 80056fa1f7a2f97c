/** The client that another server told of by XFORWARD is known after a restart, for the hop that is told it then. */

import { expect, test } from 'vitest';
import type { SendingClient } from '../../../bindings/plugin/delivery.ts';
import { Address } from '../../../bindings/wire/address.ts';
import { PLAIN_MAIL } from '../../../host/session/envelope-parameters.ts';
import { parseEnvelope, printEnvelope } from '../../../host/spool/files/envelope.ts';
import { xforwardAttributes } from '../../../plugins/queue/smtp/client-introduction.ts';

const CLIENT: SendingClient = {
  ip: '127.0.0.1',
  port: 40_000,
  host: undefined,
  helloHost: 'front.example',
  protocol: 'ESMTP',
  user: undefined,
  localIp: '127.0.0.1',
  localPort: 25,
  forwarded: {
    ip: '192.0.2.7',
    port: undefined,
    host: 'orig.example',
    helloHost: undefined,
    protocol: 'SMTP',
    ident: '4F1',
    source: 'remote',
  },
};

test('what was stored is handed on as it was said', () => {
  const { client } = parseEnvelope(
    printEnvelope({
      id: '1',
      arrivedMs: 1,
      order: '1',
      reversePath: Address.null,
      recipients: [],
      mailOptions: PLAIN_MAIL,
      client: CLIENT,
      facts: { hasNul: false, hasEightBit: false, longestLine: 1 },
    }),
  );
  expect(client).toEqual(CLIENT);
  expect(Object.fromEntries(xforwardAttributes({ client, id: 'ours' }))).toEqual({
    NAME: 'orig.example',
    ADDR: '192.0.2.7',
    PORT: '[UNAVAILABLE]',
    PROTO: 'SMTP',
    HELO: '[UNAVAILABLE]',
    IDENT: '4F1',
    SOURCE: 'REMOTE',
  });
});
