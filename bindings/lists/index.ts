/** Lists that several plugins keep, each with the rules by which its lines match. */
export { AddressList, compilePattern, type Pattern } from './address-list.ts';
export {
  addressNumber,
  addressOfNumber,
  addressOctets,
  canonicalIpAddress,
  ClientRanges,
  isAddressLiteral,
  isIpAddress,
  isLoopback,
  isPublic,
  isReachable,
  prefixKeys,
  shareNetwork,
} from './client-ranges.ts';
export { nearest } from './nearest.ts';
export { DomainList, isDomainIn, type DomainNames } from './domain-list.ts';
export { RouteTable } from './route-table.ts';
