import { defineOutlet, verdictOrDecline } from '../../../bindings/plugin/index.ts';
import { limitsOf, programOptions, programPath } from '../program/program-options.ts';
import { QmailQueueOutlet } from './qmail-queue-outlet.ts';

/** Queues messages by qmail-queue, or by a program that takes its place. */
export default defineOutlet({
  name: 'queue/qmail-queue',
  about: 'Hands messages to qmail-queue or a program with its interface.',
  options: programOptions.extend({ program: programPath().optional() }),
  positional: ['program'],
  outlet({ options, services, log }) {
    const { environment } = services.system;
    const usual = `${environment('QMAIL') || '/var/qmail'}/bin/qmail-queue`;
    const program = environment('QMAILQUEUE') || (options.program ?? usual);
    if (!programPath().safeParse(program).success || !services.programs.isExecutable(program))
      throw new Error(
        `${program} can not be executed: name qmail-queue by its absolute path, or set QMAILQUEUE`,
      );
    return new QmailQueueOutlet({ program, ...limitsOf(options) }, services, log);
  },
  verdict: verdictOrDecline,
});
