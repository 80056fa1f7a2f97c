/** MaxMind databases in memory. */

import { readFileSync } from 'node:fs';
import type { Reader, Response } from 'maxmind';
import type { GeoDatabase, GeoRecord } from '../../../bindings/plugin/files.ts';
import { QpsmtpdError } from '../../../host/errors/error-classes.ts';
import { requirePackage, type OptionalPackages } from '../../../host/package/optional-package.ts';

/** Undefined if there is no such file; throws if it is no database. */
export function openGeoDatabase(path: string): GeoDatabase | undefined {
  // Before the file: whoever has none yet is told of the package all the same.
  const library = requirePackage('maxmind');
  let octets: Buffer;
  try {
    octets = readFileSync(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
  return new MaxMindDatabase(readerOf(library, path, octets));
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

function readerOf(library: OptionalPackages['maxmind'], path: string, octets: Buffer): Reader<Found> {
  try {
    return new library.Reader<Found>(octets);
  } catch (cause) {
    throw new QpsmtpdError('Q_PLUGIN_LOAD', `${path} is no MaxMind database`, { cause });
  }
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
