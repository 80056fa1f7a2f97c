import { isIpAddress, isLoopback } from '../../../bindings/lists/index.ts';
import {
  connectionNote,
  decimal,
  definePlugin,
  geoCountry,
  z,
  type HookContext,
  type Setup,
} from '../../../bindings/plugin/index.ts';
import { openGeoDatabase, type GeoDatabase, type GeoRecord } from './geo-databases.ts';

/** In English. */
export const geoCountryName = connectionNote<string>('geoip_country_name');
/** Two letters: `EU`. */
export const geoContinent = connectionNote<string>('geoip_continent');
export const geoCity = connectionNote<string>('geoip_city');
/** Number of the autonomous system. */
export const geoAsn = connectionNote<number>('geoip_asn');
/** Kilometres from the address of the option `distance`. */
export const geoDistance = connectionNote<number>('geoip_distance');

const options = z.object({
  /** The address from which distances are measured: this server's, as the world sees it. */
  distance: z.string().refine(isIpAddress, 'must be an IP address').optional(),
  /** Kilometres from which on a client costs a point of karma. */
  too_far: decimal(0, 40_000).optional(),
  db_dir: z.string().default('/usr/local/share/GeoIP'),
  add_headers: z
    .string()
    .default('true')
    .transform((part) => !/false/i.test(part)),
});
type Options = z.output<typeof options>;
type Context = HookContext<Options>;

const EARTH_RADIUS_KM = 6_378;

/** Looks up where clients are, for other plugins and for fields of the header. */
export default definePlugin({
  name: 'ident/geoip',
  about: "Looks up the client's country, city and network in MaxMind databases.",
  options,
  onError: 'skip',
  hooks(setup) {
    const databases = openDatabases(setup);
    if (databases.length === 0) return {};
    const lookUp = (ip: string): GeoRecord =>
      // The first database that knows a fact tells it.
      databases.reduceRight<GeoRecord>(
        (known, database) => ({ ...known, ...definedOnly(database.lookUp(ip)) }),
        {},
      );
    const { add_headers: addsFields, distance } = setup.options;
    const home = distance === undefined ? undefined : lookUp(distance);
    if (home !== undefined && home.latitude === undefined)
      setup.log.error('no record for my Geo::IP location');
    return {
      connect(context) {
        const { remoteIp } = context.connection;
        if (!isLoopback(remoteIp)) note(context, lookUp(remoteIp), home);
      },
      ...(addsFields && { data_post: addFields }),
    };
  },
});

function openDatabases({
  log,
  options: { db_dir: directory },
  services,
}: Setup<Options>): readonly GeoDatabase[] {
  const found = ['City', 'Country', 'ASN'].flatMap((kind) => {
    const database = openGeoDatabase(`${directory}/GeoLite2-${kind}.mmdb`, services);
    return database === undefined ? [] : [database];
  });
  if (found.length === 0) {
    log.error(`there is no GeoLite2-City.mmdb, GeoLite2-Country.mmdb or GeoLite2-ASN.mmdb in ${directory}`);
  }
  return found;
}

const definedOnly = (record: GeoRecord | undefined): GeoRecord =>
  Object.fromEntries(Object.entries(record ?? {}).filter(([, value]) => value !== undefined));

function note(
  { adjustKarma, connection: { notes }, log, options }: Context,
  record: GeoRecord,
  home: GeoRecord | undefined,
): void {
  const { asn, city, continent, country, countryName } = record;
  if (country === undefined && asn === undefined) {
    log.info('skip, no results');
    return;
  }
  if (country !== undefined) notes.set(geoCountry, country);
  if (countryName !== undefined) notes.set(geoCountryName, countryName);
  if (continent !== undefined) notes.set(geoContinent, continent);
  if (city !== undefined) notes.set(geoCity, city);
  if (asn !== undefined) notes.set(geoAsn, asn);
  const distance = home === undefined ? undefined : distanceKm(home, record);
  if (distance !== undefined) {
    notes.set(geoDistance, distance);
    if (options.too_far !== undefined && distance > options.too_far) adjustKarma(-1);
  }
  const parts = [continent, country, city, distance === undefined ? undefined : `\t${distance} km`];
  log.info(parts.filter((part) => part !== undefined).join(', '));
}

/** Along the great circle; undefined if either place is unknown. */
function distanceKm(one: GeoRecord, other: GeoRecord): number | undefined {
  const places = [one.latitude, one.longitude, other.latitude, other.longitude];
  if (places.includes(undefined)) return undefined;
  const [latitude, longitude, toLatitude, toLongitude] = places.map((degrees) => (degrees! * Math.PI) / 180);
  const cosine =
    Math.sin(latitude!) * Math.sin(toLatitude!) +
    Math.cos(latitude!) * Math.cos(toLatitude!) * Math.cos(toLongitude! - longitude!);
  return Math.round(EARTH_RADIUS_KM * Math.acos(Math.min(1, Math.max(-1, cosine))));
}

/** Fields of the same names that came with the message give way. */
function addFields({ connection: { notes }, transaction }: Context): void {
  const { header } = transaction.message;
  const fields = {
    Country: notes.get(geoCountry),
    Continent: notes.get(geoContinent),
    City: notes.get(geoCity),
    ASN: notes.get(geoAsn),
  };
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    header.remove(`X-GeoIP-${name}`);
    header.prepend(`X-GeoIP-${name}`, String(value));
  }
}
