/** Values that are known for a while; when there are too many, the one that came first goes. */
export class BoundedCache<T> {
  readonly #kept = new Map<string, { readonly value: T; readonly until: number }>();
  readonly #size: number;
  readonly #now: () => number;

  /** `now` is in milliseconds. */
  constructor(size: number, now: () => number) {
    this.#size = size;
    this.#now = now;
  }

  get(key: string): T | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    if (kept.until > this.#now()) return kept.value;
    this.#kept.delete(key);
    return undefined;
  }

  set(key: string, value: T, keepMs: number): void {
    this.#kept.delete(key);
    if (keepMs <= 0) return;
    const [first] = this.#kept.keys();
    if (this.#kept.size >= this.#size && first !== undefined) this.#kept.delete(first);
    this.#kept.set(key, { value, until: this.#now() + keepMs });
  }

  delete(key: string): void {
    this.#kept.delete(key);
  }
}
