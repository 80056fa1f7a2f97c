/** What an option of a command line looks like; parsing, help and documentation all read this. */
export interface OptionSpec {
  readonly name: string;
  readonly short?: string;
  /** Placeholder of the value; without it the option is a switch. */
  readonly value?: string;
  /** May be given several times. Of any other option the last one counts. */
  readonly isRepeatable?: boolean;
  readonly help: string;
}

/** An option of the Perl program that is understood and refused, with what to do instead. */
export interface RefusedOption {
  readonly name: string;
  readonly short?: string;
  readonly value?: string;
  readonly instead: string;
}

export const HELP_OPTION: OptionSpec = { name: 'help', short: 'h', help: 'print this text' };
