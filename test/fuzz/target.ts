import type { Random } from './random.ts';

/**
 * Something that inputs are thrown at. One file per target in `targets/`, named as the target, with an export
 * `target`; the runner finds it by its name.
 */
export interface Target {
  readonly name: string;
  /**
   * Throws, or rejects, when the input shows a fault. Any choice it makes comes from `random`, so that it can be
   * repeated.
   */
  run(input: Uint8Array, random: Random): void | Promise<void>;
  /** Pieces worth inserting, in latin1; they come on top of those for every target. */
  readonly dictionary?: readonly string[];
}
