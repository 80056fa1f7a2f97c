/** The options of a listen spec, each `NAME=VALUE`. */

import { QpsmtpdError } from '../errors/error-classes.ts';
import { suggest } from '../../bindings/lists/nearest.ts';

export class OptionList {
  /** All of the listen spec, as errors cite it. */
  readonly spec: string;
  readonly #rest: string[];
  /** All that were asked for: what this kind of listener takes. */
  readonly #known: string[] = [];

  constructor(spec: string, options: readonly string[]) {
    this.spec = spec;
    this.#rest = [...options];
  }

  /** The value of an option, which then is done with; undefined if it is not given. Throws `Q_USAGE` if it has not this form. */
  take(name: string, form: RegExp, hint: string): string | undefined {
    this.#known.push(name);
    const index = this.#rest.findIndex((option) => option.startsWith(`${name}=`));
    const [option] = index === -1 ? [] : this.#rest.splice(index, 1);
    const value = option?.slice(name.length + 1);
    if (option !== undefined && !form.test(value!))
      throw refused(this.spec, `"${option}" is not understood`, hint);
    return value;
  }

  /** An option that says yes or no; undefined if it is not given. */
  takeYesOrNo(name: string): boolean | undefined {
    const value = this.take(name, /^(yes|no)$/, `${name}=yes or ${name}=no`);
    return value === undefined ? undefined : value === 'yes';
  }

  /** Throws `Q_USAGE` for what nobody has taken. Also what is given twice is left over. */
  refuseRest(): void {
    const [option] = this.#rest;
    if (option === undefined) return;
    const name = option.split('=', 1)[0]!;
    const problem = this.#known.includes(name) ? 'is given twice, or has no value' : 'is not understood';
    const hint = this.#known.includes(name) ? '' : suggest(name, this.#known);
    throw refused(this.spec, `"${option}" ${problem}${hint}`);
  }
}

/** What is wrong with a listen spec, for the operator. */
export function refused(spec: string, problem: string, hint?: string): QpsmtpdError {
  return new QpsmtpdError(
    'Q_USAGE',
    `listen address "${spec}": ${problem}${hint === undefined ? '' : ` (${hint})`}`,
  );
}
