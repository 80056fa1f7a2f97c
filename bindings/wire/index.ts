/** Codecs of what goes over the wire, in both directions: `qpsmtpd/wire`, for plugins that speak a protocol themselves. */
export { Address } from './address.ts';
export { printAuthenticationResult, type AuthenticationResult } from './authentication-result.ts';
export { decodeBase64, decodeText } from './base64.ts';
export { elementAt, type Element } from './der.ts';
export { plainName, reversedDigits, reverseName } from './dns-name.ts';
export { canonicalDomain, canonicalEntry, foldLocalPart, isHostName, unicodeDomain } from './domain-name.ts';
export { DotStuffing, LfDotStuffing, StrayLineEnd, stuffedWhole } from './dot-stuffing.ts';
export { feed, type Blocks } from './feed.ts';
export { foldField, isTooLongToFold } from './field-folding.ts';
export {
  decodeUtf8,
  isInternationalDomain,
  isPlainUnicode,
  MAX_DOMAIN,
  MAX_LABEL,
} from './international-address.ts';
export { HostNameScan, type HostNameFound, type HostNamePlace } from './host-name-scan.ts';
export { isIP, isIPv4, isIPv6 } from './ip-address.ts';
export { parseLenientPath } from './lenient-path.ts';
export { V2_SIGNATURE } from './proxy-header.ts';
export { parseMailDate } from './mail-date.ts';
export { isDomain, keepsLimits, parsePath } from './path.ts';
export { isUserName, prepare } from './sasl-prep.ts';
export {
  deriveKeys,
  hash,
  hmac,
  inventSalt,
  KEY_OCTETS,
  parseKeptKeys,
  parseSalt,
  type KeptKeys,
  type Salt,
  type ScramKeys,
} from './scram-keys.ts';
export { parseClientFinal, parseClientFirst, type ClientFinal, type ClientFirst } from './scram-message.ts';
export {
  decodeAsciiXtext,
  decodeUnicodeAddress,
  decodeXtext,
  encodeUnicodeAddress,
  encodeXtext,
} from './xtext.ts';
