import { defineOutlet, wholeNumber, z } from '../../../bindings/plugin/index.ts';
import { outletSeconds } from '../program/program-options.ts';
import { QmqpOutlet } from './qmqp-outlet.ts';

const DEFAULT_PORT = 628;

/** `host`, `host:port`, `[address]` or `[address]:port`. */
const hostAndPort = () =>
  z.string().transform((word, context) => {
    const [, bracketed, host = bracketed, port = DEFAULT_PORT] =
      /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(word) ?? [];
    if (host !== undefined && Number(port) >= 1 && Number(port) <= 65_535)
      return { host, port: Number(port) };
    context.addIssue({ code: 'custom', message: 'must be HOST, HOST:PORT or [ADDRESS]:PORT' });
    return z.NEVER;
  });

/** Queues messages on other hosts by the Quick Mail Queueing Protocol. */
export default defineOutlet({
  name: 'queue/qmqp',
  about: 'Hands messages to QMQP servers, the next one if a host does not answer.',
  options: z.object({
    connect_timeout: wholeNumber(1, 60).default(10),
    qmqp_timeout: outletSeconds(120),
    hosts: z.array(hostAndPort()).min(1, 'a host is missing').max(20, 'at most 20 hosts'),
  }),
  rest: 'hosts',
  outlet({ options: { hosts, connect_timeout, qmqp_timeout }, services, log }) {
    const times = { connectTimeoutMs: connect_timeout * 1_000, timeoutMs: qmqp_timeout * 1_000 };
    return new QmqpOutlet({ hosts, ...times }, services.connect, log);
  },
});
