import { defineOutlet, verdictOrDecline } from '../../../bindings/plugin/index.ts';
import { limitsOf, programOptions, programPath } from '../program/program-options.ts';
import { BsmtpOutlet } from './bsmtp-outlet.ts';

/** Queues messages by Exim, which reads them as batched SMTP. The daemon's user has to be one of its `trusted_users`. */
export default defineOutlet({
  name: 'queue/exim-bsmtp',
  about: "Hands messages to Exim's batched SMTP.",
  options: programOptions.extend({ exim_path: programPath().default('/usr/sbin/rsmtp') }),
  outlet({ options, services, log }) {
    const { exim_path: program } = options;
    if (!services.programs.isExecutable(program))
      throw new Error(`Could not find exim at ${program}; please set exim_path in config/plugins`);
    return new BsmtpOutlet({ program, ...limitsOf(options) }, services, log);
  },
  verdict: verdictOrDecline,
});
