/** TLS of one generation: what the plugin `tls` asks for, made from files and settings. */

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Log } from '../../bindings/plugin/log-level.ts';
import type { Clock, TlsFiles, TlsService } from '../../bindings/plugin/services.ts';
import type { PlacedLine } from '../../bindings/lists/placed-line.ts';
import { systemFiles } from '../config/file-system.ts';
import type { SettingValues } from '../settings/settings.ts';
import { ConfigError, QpsmtpdError, type Place } from '../errors/error-classes.ts';
import type { TlsContext } from './tls-context.ts';
import type { TlsOptions } from './tls-layer.ts';
import { Certificates } from './certificates.ts';
import type { KeyPairFiles } from './key-pair.ts';

/** What of the configuration directory is asked for. */
export interface TlsPlaces {
  /** In the order in which they are searched. */
  readonly directories: readonly string[];
  placeOf(name: string): Place;
}

const FOLDER = 'ssl';
const CERTIFICATE = 'qpsmtpd-server.crt';
const KEY = 'qpsmtpd-server.key';
const AUTHORITIES = 'qpsmtpd-ca.crt';
const DHPARAM = 'qpsmtpd-dhparam.pem';

export class TlsOffers implements TlsService {
  readonly #places: TlsPlaces;
  readonly #settings: { readonly current: SettingValues };
  readonly #log: Log;
  readonly #clock: Clock;
  #certificates: Certificates | undefined;
  #options: TlsOptions | undefined;

  constructor(places: TlsPlaces, settings: { readonly current: SettingValues }, log: Log, clock: Clock) {
    this.#places = places;
    this.#settings = settings;
    this.#log = log;
    this.#clock = clock;
  }

  /** Undefined until the plugin `tls` asks for TLS. */
  get options(): TlsOptions | undefined {
    return this.#options;
  }

  offer(files: TlsFiles): void {
    if (this.#options !== undefined) {
      throw new QpsmtpdError(
        'Q_PLUGIN_OPTION',
        'TLS is offered already (further certificates stand in the file tls_certificates)',
      );
    }
    const settings = this.#settings;
    const { tlsCertificates, tlsCiphers, tlsVersions, tlsClientCa } = settings.current;
    const certificates = new Certificates(
      {
        pairs: [this.#filesOf(files), ...tlsCertificates.map(furtherFiles)],
        clientAuthorities: tlsClientCa,
        policy: { versions: tlsVersions, ciphers: tlsCiphers },
        cipherFile: this.#places.placeOf('tls_ciphers').file,
      },
      systemFiles,
      this.#log,
      () => this.#clock.now(),
    );
    this.#certificates = certificates;
    this.#options = {
      get handshakeTimeoutMs(): number {
        return settings.current.tlsHandshakeTimeoutMs;
      },
      asksForCertificate: tlsClientCa !== undefined,
      get context(): TlsContext {
        return certificates.context;
      },
      contextFor: certificates.areSeveral ? (name) => certificates.contextFor(name) : undefined,
    };
  }

  close(): void {
    this.#certificates?.close();
  }

  /** What the plugin's line leaves out has qpsmtpd's name in the folder `ssl`. */
  #filesOf({ certificate, key, authorities, dhparam }: TlsFiles): KeyPairFiles {
    const folder = this.#defaultFolder();
    const ifThere = (name: string): string | undefined =>
      existsSync(join(folder, name)) ? join(folder, name) : undefined;
    return {
      certificate: certificate === undefined ? join(folder, CERTIFICATE) : resolve(certificate),
      key: key === undefined ? join(folder, KEY) : resolve(key),
      // The default authority issued the default certificate and no other.
      authorities:
        authorities === undefined && certificate === undefined ? ifThere(AUTHORITIES) : absolute(authorities),
      dhparam: dhparam === undefined ? ifThere(DHPARAM) : resolve(dhparam),
    };
  }

  /** The first folder `ssl` with a certificate: of the configuration, then of the working directory as in qpsmtpd. */
  #defaultFolder(): string {
    const folders = [...this.#places.directories, '.'].map((directory) => resolve(directory, FOLDER));
    return folders.find((folder) => existsSync(join(folder, CERTIFICATE))) ?? folders[0]!;
  }
}

const absolute = (path: string | undefined): string | undefined =>
  path === undefined ? undefined : resolve(path);

/** One line of `tls_certificates`: the certificate and its key, or one file with both. */
function furtherFiles({ text, place }: PlacedLine): KeyPairFiles {
  const [certificate, key, ...more] = text.split(/[ \t]+/);
  if (certificate === undefined || more.length > 0) {
    throw new ConfigError(
      place,
      `'${text}' is not understood`,
      'a line is CERTIFICATE KEY, two paths without blanks',
    );
  }
  return { certificate: resolve(certificate), key: resolve(key ?? certificate) };
}
