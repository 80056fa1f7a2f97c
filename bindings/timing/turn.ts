/** How long other sessions wait for their turn of the event loop. */
const TURN_MS = 1;

/** A turn of the event loop for others. */
export const yieldTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Long work in small pieces: `pass` between them leaves the event loop to others once the time is used up. Short work never waits. */
export class Turn {
  #endsAt = performance.now() + TURN_MS;

  async pass(): Promise<void> {
    if (performance.now() < this.#endsAt) return;
    await yieldTurn();
    this.#endsAt = performance.now() + TURN_MS;
  }
}
