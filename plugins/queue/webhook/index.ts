import { defineOutlet } from '../../../bindings/plugin/index.ts';
import { WebhookOutlet, webhookOptions } from './webhook-outlet.ts';

/** Hands messages to a web server that takes the inbound webhooks of mail services. */
export default defineOutlet({
  name: 'queue/webhook',
  about: 'Posts messages to a web server: Action Mailbox, Mailgun, Postmark, SendGrid or raw.',
  isLocal: true,
  options: webhookOptions,
  positional: ['url', 'format'],
  outlet: (setup) => new WebhookOutlet(setup),
});
