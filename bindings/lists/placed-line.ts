/** Lines of the configuration and where they stand, and what is wrong with them. */

/** A place in the configuration that an operator can open in an editor. */
export interface Place {
  readonly file: string;
  /** Counted from 1; undefined when the whole file is meant. */
  readonly line?: number;
}

/** A line of the configuration and where it stands. */
export interface PlacedLine {
  readonly text: string;
  readonly place: Place;
}

/**
 * What is wrong with a file that a plugin reads. Thrown while it is set up, it stops the start with place and remedy; thrown in a
 * hook, it puts the client off.
 */
export class ConfigProblem extends Error {
  readonly place: Place;
  readonly remedy: string | undefined;

  constructor(place: Place, problem: string, remedy?: string) {
    super(problem);
    this.name = 'ConfigProblem';
    this.place = place;
    this.remedy = remedy;
  }
}
