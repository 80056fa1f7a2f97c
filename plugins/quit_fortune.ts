import { definePlugin, ok } from '../bindings/plugin/index.ts';

const FORTUNE = '/usr/games/fortune';
/** A reply line holds at most 512 octets, the code and the line end included. RFC 5321 section 4.5.3.1.5. */
const LINE_OCTETS = 480;
const MAX_LINES = 20;

/** Says goodbye with a fortune to clients that said HELO; those that said EHLO are in no mood for it. */
export default definePlugin({
  name: 'quit_fortune',
  about: 'Adds a fortune to the reply to QUIT, if the program fortune is installed.',
  hooks({ services }) {
    if (!services.programs.isExecutable(FORTUNE)) return {};
    return {
      async quit({ connection, config, log }) {
        if (connection.hello !== 'helo') return undefined;
        try {
          const { exitCode, output } = await services.programs.run(FORTUNE, ['-s'], { timeoutMs: 2_000 });
          if (exitCode !== 0) return undefined;
          const lines = output.trimEnd().split('\n').slice(0, MAX_LINES);
          return ok([`${config.me} closing connection.`, ...lines.map(printable)]);
        } catch (cause) {
          log.warn(`no fortune: ${String(cause)}`);
          return undefined;
        }
      },
    };
  },
});

const printable = (line: string): string =>
  `  / ${line.replaceAll('\t', '    ').replace(/[^ -~]/g, '?')}`.slice(0, LINE_OCTETS);
