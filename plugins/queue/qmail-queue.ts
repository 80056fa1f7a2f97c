import {
  defineOutlet,
  limitsOf,
  programOptions,
  programPath,
  verdictOrDecline,
} from '../../bindings/plugin/index.ts';

/** Queues messages by qmail-queue, or by a program that takes its place. */
export default defineOutlet({
  name: 'queue/qmail-queue',
  about: 'Hands messages to qmail-queue or a program with its interface.',
  options: programOptions.extend({ program: programPath().optional() }),
  positional: ['program'],
  outlet({ options, services, log }) {
    const { environment, handOver, programs } = services;
    const usual = `${environment('QMAIL') || '/var/qmail'}/bin/qmail-queue`;
    const program = environment('QMAILQUEUE') || (options.program ?? usual);
    if (!programPath().safeParse(program).success || !programs.isExecutable(program))
      throw new Error(
        `${program} can not be executed: name qmail-queue by its absolute path, or set QMAILQUEUE`,
      );
    return handOver.qmailQueue({ program, ...limitsOf(options) }, log);
  },
  verdict: verdictOrDecline,
});
