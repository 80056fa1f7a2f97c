import { defineOutlet, oneOf, z } from '../../../bindings/plugin/index.ts';
import { limitsOf, programOptions, programPath } from '../program/program-options.ts';
import { PipeOutlet } from './pipe-outlet.ts';

/** Hands messages to a program, which says by its exit code what became of them. */
export default defineOutlet({
  name: 'queue/pipe',
  about: 'Hands messages to any program that exits with the codes of sysexits.h.',
  isLocal: true,
  options: programOptions.extend({
    per: oneOf(['recipient', 'message']).default('message'),
    line_ends: oneOf(['lf', 'crlf']).default('lf'),
    null_sender: z.string().regex(/^[^-]/, 'must not begin with a hyphen').default('<>'),
    command: z
      .array(z.string())
      .refine(
        ([program]) => programPath().safeParse(program).success,
        'must begin with the absolute path of a program',
      ),
  }),
  rest: 'command',
  outlet({ options, services, log }) {
    const { command, per, line_ends: lineEnds, null_sender: nullSender } = options;
    const outlet = new PipeOutlet(
      { command, per, lineEnds, nullSender, ...limitsOf(options) },
      services.programs,
      log,
    );
    if (!services.programs.isExecutable(command[0]!))
      throw new Error(`${command[0]} can not be executed: give the path of a program that this user may run`);
    return outlet;
  },
});
