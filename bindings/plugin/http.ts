/** Asks web servers. Part of `Services`. */
export interface Http {
  /**
   * The text of a document, or undefined if the server has none (404, 410). Rejects for any other answer, after
   * `timeoutMs` and for more than `maxOctets`.
   */
  text(
    url: string,
    options: { readonly timeoutMs: number; readonly maxOctets: number },
  ): Promise<string | undefined>;
}
