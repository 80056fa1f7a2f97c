/** MaxMind databases in memory. */

import { readFileSync } from 'node:fs';
import { Reader, type Response } from 'maxmind';
import type { GeoDatabase, GeoRecord } from '../../bindings/plugin/system-services.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';

/** Undefined if there is no such file; throws if it is no database. */
export function openGeoDatabase(path: string): GeoDatabase | undefined {
  let octets: Buffer;
  try {
    octets = readFileSync(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
  return new MaxMindDatabase(path, octets);
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

  constructor(path: string, octets: Buffer) {
    try {
      this.#reader = new Reader<Found>(octets);
    } catch (cause) {
      throw new QpsmtpdError('Q_PLUGIN_LOAD', `${path} is no MaxMind database`, { cause });
    }
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

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
