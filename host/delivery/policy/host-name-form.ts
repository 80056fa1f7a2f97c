/**
 * A name in lower case that a mail host or domain can have. Records may hold any octets, and some write an address such as
 * `192.0.2.1` where a name belongs.
 */
export const isHostName = (name: string): boolean =>
  name.length <= 253 && /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/.test(name) && !/(?:^|\.)\d+$/.test(name);
