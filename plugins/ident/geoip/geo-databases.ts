/** MaxMind databases in memory. */

import type * as maxmind from 'maxmind';
import type { Reader, Response } from 'maxmind';
import type { Services } from '../../../bindings/plugin/index.ts';

/** What a MaxMind database says about an address. */
export interface GeoRecord {
  readonly country?: string | undefined;
  readonly countryName?: string | undefined;
  readonly continent?: string | undefined;
  readonly city?: string | undefined;
  readonly latitude?: number | undefined;
  readonly longitude?: number | undefined;
  readonly asn?: number | undefined;
}

export interface GeoDatabase {
  /** Undefined for an address the database does not have. */
  lookUp(address: string): GeoRecord | undefined;
}

/** The largest database of MaxMind has a tenth of that. */
const MAX_OCTETS = 1_073_741_824;

/** Undefined if there is no such file; throws if it is no database, or if the package that reads it is missing. */
export function openGeoDatabase(
  path: string,
  { files, system }: Pick<Services, 'files' | 'system'>,
): GeoDatabase | undefined {
  // Before the file: an operator without one is told of the package all the same.
  const library = system.optionalPackage('maxmind') as typeof maxmind;
  const octets = files.readOctetsNow(path, { maxOctets: MAX_OCTETS });
  return octets === undefined ? undefined : new MaxMindDatabase(readerOf(library, path, octets));
}

/** The fields of the databases City, Country and ASN that are asked for. */
type Found = Response & {
  readonly country?: { readonly iso_code?: unknown; readonly names?: { readonly en?: unknown } };
  readonly continent?: { readonly code?: unknown };
  readonly city?: { readonly names?: { readonly en?: unknown } };
  readonly location?: { readonly latitude?: unknown; readonly longitude?: unknown };
  readonly traits?: { readonly autonomous_system_number?: unknown };
  readonly autonomous_system_number?: unknown;
};

class MaxMindDatabase implements GeoDatabase {
  readonly #reader: Reader<Found>;

  constructor(reader: Reader<Found>) {
    this.#reader = reader;
  }

  lookUp(address: string): GeoRecord | undefined {
    const found = this.#reader.get(address);
    if (found === null) return undefined;
    return {
      country: text(found.country?.iso_code),
      countryName: text(found.country?.names?.en),
      continent: text(found.continent?.code),
      city: text(found.city?.names?.en),
      latitude: number(found.location?.latitude),
      longitude: number(found.location?.longitude),
      asn: number(found.autonomous_system_number ?? found.traits?.autonomous_system_number),
    };
  }
}

function readerOf(library: typeof maxmind, path: string, octets: Buffer): Reader<Found> {
  try {
    return new library.Reader<Found>(octets);
  } catch (cause) {
    throw new Error(`${path} is no MaxMind database`, { cause });
  }
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
