/** How many connections each service has, of the places that all share; over all readings of the configuration. */
export class ServicePlaces {
  readonly #taken = new Map<string, number>();

  /** False if the service has as many as `limit` already. What is taken is given back once by `leave`. */
  take(service: string, limit: number): boolean {
    const taken = this.#taken.get(service) ?? 0;
    if (taken >= limit) return false;
    this.#taken.set(service, taken + 1);
    return true;
  }

  leave(service: string): void {
    this.#taken.set(service, (this.#taken.get(service) ?? 1) - 1);
  }
}
