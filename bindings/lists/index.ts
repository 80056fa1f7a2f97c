/** Lists that several plugins keep, each with the rules by which its lines match. */
export { AddressList, type AddressListEntry, type AddressListOptions } from './address-list.ts';
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
  type ClientRangesOptions,
} from './client-ranges.ts';
export { compilePattern, type Pattern } from './pattern.ts';
export { RouteTable, type Route } from './route-table.ts';
