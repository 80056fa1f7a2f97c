import type { Clock } from '../../bindings/plugin/services.ts';
import type { WebOutlets } from '../../bindings/plugin/web-outlet-services.ts';
import { AmqpOutlet } from '../delivery/amqp/amqp-outlet.ts';
import { WebhookOutlet } from '../delivery/webhook/webhook-outlet.ts';

/** The outlets over HTTP and AMQP, as plugins get them. */
export const makeWebOutlets = (clock: Clock): WebOutlets => ({
  webhook: (terms, log) => new WebhookOutlet(terms, log, clock),
  amqp: (terms, log) => new AmqpOutlet(terms, log, clock),
});
