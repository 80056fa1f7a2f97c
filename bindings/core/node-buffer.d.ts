/** Methods of Node's Buffer that exist since Node 0.x and are missing in its type declarations. */
interface Buffer {
  /** The octets [start, end) as a string of one character an octet. The cheapest way to make a string. */
  latin1Slice(start?: number, end?: number): string;
  utf8Slice(start?: number, end?: number): string;
}
