/** CRC-32C (Castagnoli), RFC 9260 appendix A. Node's `zlib.crc32` has the other polynomial. */

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

export function crc32c(...parts: readonly Uint8Array[]): number {
  let crc = 0xffffffff;
  for (const part of parts) for (const octet of part) crc = TABLE[(crc ^ octet) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
