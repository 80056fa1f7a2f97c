/** A session's hold on the stream of its intake: taken at the beginning, and let go while TLS is put around the stream. */

import type { Intake } from '../intake/intake.ts';

/** What a session wants to hear of its stream. */
export interface StreamEvents {
  receive(chunk: Buffer): void;
  /** The client has closed its side. */
  end(): void;
  /** The stream is gone. */
  vanish(): void;
}

export class StreamGrip {
  readonly #intake: Intake;
  readonly #events: StreamEvents;
  readonly #onData = (chunk: Buffer): void => this.#events.receive(chunk);
  readonly #onEnd = (): void => this.#events.end();
  readonly #onClose = (): void => this.#events.vanish();
  readonly #onError = (): void => void this.#intake.stream.destroy();

  constructor(intake: Intake, events: StreamEvents) {
    this.#intake = intake;
    this.#events = events;
  }

  /** Listens to the stream that the intake has now, which may be gone already. */
  take(): void {
    const { stream } = this.#intake;
    stream
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('close', this.#onClose)
      .on('error', this.#onError);
    if (stream.destroyed) this.#events.vanish();
  }

  /**
   * Closes the stream behind the last reply. A client that is through closes nothing that we would have to wait for. Of
   * any other one what it still sends is read for a while: octets that nobody reads make the kernel reset the
   * connection, and the last reply would be lost with it.
   */
  close(isThrough: boolean): void {
    const { stream, outlivesStream } = this.#intake;
    if (isThrough && outlivesStream && stream.writableLength === 0) stream.destroy();
    else {
      stream.end();
      stream.resume();
    }
  }

  /** Leaves the stream to somebody else. Returns how many octets had come that nobody had read; they are dropped. */
  release(): number {
    const { stream } = this.#intake;
    stream.pause();
    stream
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('close', this.#onClose)
      .off('error', this.#onError);
    let dropped = 0;
    for (let chunk = stream.read() as Buffer | null; chunk !== null; chunk = stream.read() as Buffer | null) {
      dropped += chunk.length;
    }
    return dropped;
  }
}
