import { defineOutlet } from '../../../bindings/plugin/index.ts';
import { AmqpOutlet, amqpOptions } from './amqp-outlet.ts';

/** Publishes messages to an AMQP 0-9-1 broker. */
export default defineOutlet({
  name: 'queue/amqp',
  about: 'Publishes messages to an AMQP 0-9-1 broker (RabbitMQ) and waits for its confirmation.',
  isLocal: true,
  options: amqpOptions,
  positional: ['url', 'routing_key', 'exchange'],
  outlet: (setup) => new AmqpOutlet(setup),
});
