/**
 * Decides which session's input is worked on, and for how long: one line of sessions for the whole process. While there
 * is little to do, input is worked on where it comes. Once that has taken a share of a round of the event loop, further
 * input waits in line, and of the line a little is served in each round: sockets, timers and disks have their say in
 * between.
 *
 * A session that uses up its slice goes to the end of the line, behind all that have little to do. Of those, the ones
 * that have used least of late come first: a neighbour's mail does not wait for a flood.
 */

/** A session as the line sees it. */
export interface TurnTaker {
  /** For `Turns` alone, begins as 0: microseconds it has used, and the period in which they were last halved. */
  usedUs: number;
  usedIn: number;
  /** Its turn has come: works until it has nothing more to do, must wait, or `Turns.spend` says that the slice is over. */
  takeTurn(): void;
}

/** The time one session may use in one go: enough for ordinary mail, and short because five hundred may come at once. */
const SLICE_MS = 0.25;
/** The time sessions may use in one round of the event loop before the others of that round wait in line. */
const SHARE_MS = 2;
/** The half-life of used time: it counts half after so many milliseconds. */
const PERIOD_MS = 128;
/** Of input up to this size one in four is timed, and counts fourfold: the clock costs more than it matters. */
const SMALL_INPUT = 512;
const SAMPLE_EVERY = 4;
/** Steps between two looks at the clock, once it has shown that they are cheap. */
const MAX_STEPS = 16;
/** Below so many microseconds of use all are alike; above, each doubling puts a session further behind. */
const ALIKE_US_BITS = 9;
/**
 * Rows of the line for those with little to do; after them stands one for those with much. So few rows
 * that sessions which always have something to do are recognised at once: taken for light ones, they would make rounds longer.
 */
const LIGHT_ROWS = 4;

/** Steps that may follow upon one another without a round of the event loop in between. */
const MAX_LINKS = 8;

const UNTIMED = -1;

export class Turns {
  /** Input that comes now has to wait in line. */
  isPressed = false;
  readonly #clock: () => number;
  readonly #defer: (serve: () => void) => void;
  readonly #rows = Array.from({ length: LIGHT_ROWS + 1 }, () => new Row());
  /** The time used since the event loop last came round to the line. */
  #spentMs = 0;
  /** Asked to be called at the end of the round. */
  #isArmed = false;
  #round = 0;
  #small = 0;
  #weight = 1;
  #startedAt = UNTIMED;
  #endedAt: number;
  #isOver = false;
  #steps = 0;
  #lookAfter = 1;

  /** `defer` calls what it is given once, in the next round of the event loop, after what the sockets have brought. */
  constructor(
    clock: () => number = () => performance.now(),
    defer: (serve: () => void) => void = setImmediate,
  ) {
    this.#clock = clock;
    this.#defer = defer;
    this.#endedAt = clock();
  }

  /** A session begins to work on so many octets. */
  begin(octets: number): void {
    const isSmall = octets <= SMALL_INPUT;
    const isTimed = !isSmall || ++this.#small % SAMPLE_EVERY === 0;
    this.#start(isTimed ? this.#clock() : UNTIMED, isSmall ? SAMPLE_EVERY : 1);
  }

  /**
   * A step is through for which input has waited; true if that has to wait in line. Plugins whose answers are promises
   * work outside any turn, and if the promises are settled already no round of the event loop lies in between: a chain of
   * those would keep it from ever coming round.
   */
  isDueAfterStep(): boolean {
    const sinceMs = this.#clock() - this.#endedAt;
    this.#spend(Math.min(SHARE_MS, Math.max(SHARE_MS / MAX_LINKS, sinceMs)));
    return this.isPressed;
  }

  /** One step is done and there is more input; true if it has to wait. */
  spend(): boolean {
    if (this.#isOver) return true;
    if (++this.#steps < this.#lookAfter) return false;
    const now = this.#clock();
    if (this.#startedAt === UNTIMED) this.#start(now, 1);
    else if (now - this.#startedAt >= SLICE_MS) this.#isOver = true;
    else if (now - this.#startedAt < SLICE_MS / 8) this.#lookAfter = Math.min(this.#lookAfter * 2, MAX_STEPS);
    this.#steps = 0;
    return this.#isOver;
  }

  /** The session has stopped. */
  end(taker: TurnTaker): void {
    if (this.#startedAt === UNTIMED) return;
    const now = this.#clock();
    const ms = (now - this.#startedAt) * this.#weight;
    this.#endedAt = now;
    const period = Math.floor(now / PERIOD_MS);
    taker.usedUs = fade(taker, period) + Math.round(ms * 1_000);
    taker.usedIn = period;
    this.#spend(ms);
  }

  /** Puts the session in line; `hasMuch` if its slice was too short for it. No session stands there twice. */
  lineUp(taker: TurnTaker, hasMuch: boolean): void {
    this.#rows[hasMuch ? LIGHT_ROWS : this.#rowOf(taker)]!.add(taker);
    this.isPressed = true;
    this.#arm();
  }

  #start(at: number, weight: number): void {
    this.#startedAt = at;
    this.#weight = weight;
    this.#isOver = false;
    this.#steps = 0;
    this.#lookAfter = 1;
  }

  /** Half of the share is the mark to look out for the end of the round: many a round is over before the other half is used. */
  #spend(ms: number): void {
    this.#spentMs += ms;
    if (this.#spentMs >= SHARE_MS / 2) this.#arm();
    if (this.#spentMs >= SHARE_MS) this.isPressed = true;
  }

  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    this.#defer(this.#serve);
  }

  #rowOf(taker: TurnTaker): number {
    const used = fade(taker, Math.floor(this.#endedAt / PERIOD_MS));
    return Math.min(32 - Math.clz32(used >> ALIKE_US_BITS), LIGHT_ROWS);
  }

  /**
   * Those with little to do, within a share (a slice while others have much), and one slice of those with much: neither starves the other. Nor do
   * the rows, each of which is the first now and then.
   */
  readonly #serve = (): void => {
    try {
      if (this.isPressed) this.#serveLine();
    } finally {
      this.#spentMs = 0;
      this.#isArmed = false;
      this.isPressed = this.#rows.some(({ isEmpty }) => !isEmpty);
      if (this.isPressed) this.#arm();
    }
  };

  #serveLine(): void {
    const began = (this.#endedAt = this.#clock());
    const shareMs = this.#rows[LIGHT_ROWS]!.isEmpty ? SHARE_MS : SLICE_MS;
    this.#serveFirst(++this.#round % LIGHT_ROWS);
    for (let row = 0; row < LIGHT_ROWS; row++) {
      while (this.#endedAt - began < shareMs && this.#serveFirst(row));
    }
    const lightEnd = this.#endedAt;
    while (this.#endedAt - lightEnd < SLICE_MS && this.#serveFirst(LIGHT_ROWS));
  }

  #serveFirst(row: number): boolean {
    const taker = this.#rows[row]!.take();
    if (taker === undefined) return false;
    this.#start(this.#endedAt, 1);
    taker.takeTurn();
    this.end(taker);
    return true;
  }
}

/** The time the session has used, as far as it still counts. */
function fade({ usedUs, usedIn }: TurnTaker, period: number): number {
  const periods = period - usedIn;
  return periods > 30 ? 0 : usedUs >> Math.max(0, periods);
}

/** First come, first served. Neither adding nor taking moves the array. */
class Row {
  #takers: (TurnTaker | undefined)[] = [];
  #first = 0;

  get isEmpty(): boolean {
    return this.#first === this.#takers.length;
  }

  add(taker: TurnTaker): void {
    this.#takers.push(taker);
  }

  take(): TurnTaker | undefined {
    if (this.isEmpty) return undefined;
    const taker = this.#takers[this.#first];
    this.#takers[this.#first++] = undefined;
    if (this.isEmpty) {
      this.#takers = [];
      this.#first = 0;
    } else if (this.#first > 256 && this.#first * 2 > this.#takers.length) {
      this.#takers = this.#takers.slice(this.#first);
      this.#first = 0;
    }
    return taker;
  }
}
