/** Lists that several plugins keep, each with the rules by which its lines match. */
export { AddressList } from './address-list.ts';
export { addressNumber, addressOfNumber } from './address-number.ts';
export {
  addressOctets,
  canonicalIpAddress,
  ClientRanges,
  isIpAddress,
  isLoopback,
  isReachable,
  prefixKeys,
  shareNetwork,
} from './client-ranges.ts';
export { compilePattern, type Pattern } from './pattern.ts';
export { RouteTable } from './route-table.ts';
