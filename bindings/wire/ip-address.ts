/** Tells IP addresses from names, for the folders that may not touch `net`. */
export { isIP, isIPv4, isIPv6 } from 'node:net';
