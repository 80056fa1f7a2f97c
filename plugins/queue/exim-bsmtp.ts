import {
  defineOutlet,
  limitsOf,
  programOptions,
  programPath,
  verdictOrDecline,
} from '../../bindings/plugin/index.ts';

/** Queues messages by Exim, which reads them as batched SMTP. The daemon's user has to be one of its `trusted_users`. */
export default defineOutlet({
  name: 'queue/exim-bsmtp',
  about: "Hands messages to Exim's batched SMTP.",
  options: programOptions.extend({ exim_path: programPath().default('/usr/sbin/rsmtp') }),
  outlet({ options, services: { handOver, programs }, log }) {
    const { exim_path: program } = options;
    if (!programs.isExecutable(program))
      throw new Error(`Could not find exim at ${program}; please set exim_path in config/plugins`);
    return handOver.bsmtp({ program, ...limitsOf(options) }, log);
  },
  verdict: verdictOrDecline,
});
