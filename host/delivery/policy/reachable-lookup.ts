/** The look-up of names that strangers have in their hands. */

import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { isReachable } from './reachable-address.ts';

/**
 * Leaves out addresses of this machine, for `options.lookup` of a connection: whoever owns a domain could lead us to a service that
 * trusts everybody on this host (server-side request forgery).
 */
export const lookUpReachable: LookupFunction = (name, options, done) => {
  lookup(name, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return done(error, []);
    const [first, ...others] = addresses.filter(({ address }) => isReachable(address));
    if (first === undefined) return done(new Error(`${name} leads to no other host`), []);
    if (options.all === true) done(null, [first, ...others]);
    else done(null, first.address, first.family);
  });
};
