/** Certificates on disk: which one a client gets, and what becomes of a changed file. */

import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { systemFiles } from '../../host/config/file-system.ts';
import { Logger } from '../../host/observe/logger.ts';
import { Certificates } from '../../host/tls/certificates.ts';
import { DEFAULT_VERSIONS } from '../../host/settings/tls-settings.ts';
import { makeSelfSigned } from '../../host/tls/self-signed.ts';
import { CertificateFolder, makePair, SecureServer } from './secure-server.ts';
import { until } from '../patience.ts';

let folder: CertificateFolder;
const servers: SecureServer[] = [];
beforeEach(() => {
  folder = new CertificateFolder();
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  folder.remove();
});

async function start(line: string, config: Record<string, readonly string[]> = {}): Promise<SecureServer> {
  const server = await SecureServer.start({
    plugins: [line, 'rcpt_ok'],
    config,
    listenOptions: ' tls=implicit',
  });
  servers.push(server);
  return server;
}

/** The common name of the certificate that a client is shown. */
async function shownTo(server: SecureServer, servername?: string): Promise<string> {
  const client = await server.connectTls(servername === undefined ? {} : { servername });
  const { subject } = client.socket.getPeerCertificate();
  client.destroy();
  return String(subject.CN);
}

describe('the certificate a client is shown (RFC 6066 section 3)', () => {
  test.each([
    [undefined, 'first.test'],
    ['first.test', 'first.test'],
    ['second.test', 'second.test'],
    ['SECOND.test', 'second.test'],
    ['also.test', 'second.test'],
    ['a.wild.test', '*.wild.test'],
    ['a.b.wild.test', 'first.test'],
    ['wild.test', 'first.test'],
    ['unknown.test', 'first.test'],
  ])('who asks for %s gets that of %s', async (asked, shown) => {
    const first = folder.write('first', makePair('first.test'));
    const config = {
      tls_certificates: [
        folder.write('second', makePair('second.test', 'also.test')),
        folder.write('wild', makePair('*.wild.test')),
      ],
    };
    expect(await shownTo(await start(`tls ${first}`, config), asked)).toBe(shown);
  });
});

test('certificate and key may stand in one file', async () => {
  const { certificate, key } = makePair('both.test');
  writeFileSync(folder.file('both.pem'), `${certificate}${key}`);
  const first = folder.write('first', makePair('first.test'));
  const server = await start(`tls ${first}`, { tls_certificates: [folder.file('both.pem')] });
  expect(await shownTo(server, 'both.test')).toBe('both.test');
});

test('the default files are those of qpsmtpd, in the folder ssl of the configuration', async () => {
  const { certificate, key } = makePair('default.test');
  mkdirSync(folder.file('ssl'));
  writeFileSync(join(folder.file('ssl'), 'qpsmtpd-server.crt'), certificate);
  writeFileSync(join(folder.file('ssl'), 'qpsmtpd-server.key'), key);
  const server = await SecureServer.start({
    plugins: ['tls'],
    directories: [folder.path],
    listenOptions: ' tls=implicit',
  });
  servers.push(server);
  expect(await shownTo(server)).toBe('default.test');
});

describe('a changed certificate', () => {
  test('is used from the next handshake on, without a restart', async () => {
    const server = await start(`tls ${folder.write('mx', makePair('old.test'))}`);
    expect(await shownTo(server)).toBe('old.test');
    folder.write('mx', makePair('new.test'));
    await until(() => server.logged(/mx\.crt: a new certificate/).length > 0, 'the new certificate');
    expect(await shownTo(server)).toBe('new.test');
  });

  test('is noticed behind the symbolic links that renewal programs exchange', async () => {
    folder.write('archive1', makePair('old.test'));
    folder.write('archive2', makePair('new.test'));
    const link = (to: string): void => {
      for (const ending of ['crt', 'key']) {
        symlinkSync(`${to}.${ending}`, folder.file(`next.${ending}`));
        renameSync(folder.file(`next.${ending}`), folder.file(`live.${ending}`));
      }
    };
    link('archive1');
    const server = await start(`tls ${folder.file('live.crt')} ${folder.file('live.key')}`);
    expect(await shownTo(server)).toBe('old.test');
    link('archive2');
    await until(() => server.logged(/a new certificate/).length > 0, 'the new certificate');
    expect(await shownTo(server)).toBe('new.test');
  });

  test.each([
    [
      'that is broken',
      () => writeFileSync(folder.file('mx.crt'), 'nothing'),
      /mx\.crt: holds no certificate/,
    ],
    ['that is gone', () => rmSync(folder.file('mx.crt')), /mx\.crt: can't be read \(ENOENT\)/],
    [
      'with the key of another',
      () => writeFileSync(folder.file('mx.key'), makePair('other.test').key),
      /mx\.crt: the certificate does not belong to the key in .*mx\.key/,
    ],
  ])('%s leaves the old one in use, and the log says why, until it is mended', async (_, spoil, message) => {
    const server = await start(`tls ${folder.write('mx', makePair('old.test'))}`);
    spoil();
    await until(() => server.logged(message).length > 0, 'the complaint');
    expect(server.logged(message)[0]?.text).toContain('what was read before goes on serving');
    expect(await shownTo(server)).toBe('old.test');
    folder.write('mx', makePair('mended.test'));
    await until(() => server.logged(/a new certificate/).length > 0, 'the mended certificate');
    expect(await shownTo(server)).toBe('mended.test');
  });

  test('of one name does not wait for another that is broken', async () => {
    const first = folder.write('first', makePair('first.test'));
    const config = { tls_certificates: [folder.write('second', makePair('second.test'))] };
    const server = await start(`tls ${first}`, config);
    writeFileSync(folder.file('first.crt'), 'nothing');
    folder.write('second', makePair('third.test'));
    await until(() => server.logged(/second\.crt: a new certificate/).length > 0, 'the new certificate');
    expect(await shownTo(server, 'third.test')).toBe('third.test');
    expect(await shownTo(server)).toBe('first.test');
  });
});

describe('what keeps the daemon from starting', () => {
  test.each([
    [
      'a certificate and a key that do not match',
      () => {
        folder.write('mx', makePair('mx.test'));
        writeFileSync(folder.file('mx.key'), makePair('mx.test').key);
      },
      /mx\.crt: the certificate does not belong to the key in .*mx\.key \(name a certificate and the key/,
    ],
    [
      'no certificate',
      () => undefined,
      /mx\.crt: can't be read \(ENOENT\) \(make a certificate with `qpsmtpd tls-cert`/,
    ],
    [
      'a key with a passphrase',
      () => {
        folder.write('mx', makePair('mx.test'));
        writeFileSync(
          folder.file('mx.key'),
          '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n',
        );
      },
      /mx\.key: the key is protected by a passphrase/,
    ],
    [
      'a certificate in the place of the key',
      () => {
        folder.write('mx', makePair('mx.test'));
        writeFileSync(folder.file('mx.key'), readFileSync(folder.file('mx.crt')));
      },
      /mx\.key: holds no private key/,
    ],
  ])('%s', async (_, arrange, message) => {
    arrange();
    await expect(start(`tls ${folder.file('mx.crt')} ${folder.file('mx.key')}`)).rejects.toThrow(message);
  });

  test.each([
    ['tls_ciphers', 'NO-SUCH-CIPHER', /tls_ciphers: OpenSSL knows no cipher in 'NO-SUCH-CIPHER'/],
    ['tls_protocols', 'TLSv1', /tls_protocols.*asks for a version that can be broken/],
    ['tls_certificates', '/a /b /c', /tls_certificates.*'\/a \/b \/c' is not understood/],
    ['tls_client_ca', '/no/such/file', /\/no\/such\/file: can't be read/],
  ])('%s with %s', async (name, value, message) => {
    const pair = folder.write('mx', makePair('mx.test'));
    await expect(start(`tls ${pair}`, { [name]: [value] })).rejects.toThrow(message);
  });

  test('DH parameters that are none', async () => {
    const pair = folder.write('mx', makePair('mx.test'));
    writeFileSync(folder.file('dh.pem'), 'nothing');
    const line = `tls ${pair} ${folder.file('mx.crt')} ${folder.file('dh.pem')}`;
    await expect(start(line)).rejects.toThrow(/dh\.pem: holds no DH parameters/);
  });

  test('a listener that begins with TLS while nothing offers it', async () => {
    await expect(start('count_unrecognized_commands 4')).rejects.toThrow(/tls=implicit.*add a line `tls`/);
  });

  test('the plugin loaded twice', async () => {
    const pair = folder.write('mx', makePair('mx.test'));
    const options = { plugins: [`tls ${pair}`, `tls:2 ${pair}`] };
    await expect(SecureServer.start(options)).rejects.toThrow(/tls:2: .*TLS is offered already/);
  });
});

test('an expired certificate is used all the same, and the log says so once', () => {
  const pair = makeSelfSigned({ names: ['mx.test'], notBefore: new Date(0), notAfter: new Date(86_400_000) });
  const [certificate = '', key = ''] = folder.write('mx', pair).split(' ');
  const lines: string[] = [];
  const log = new Logger(LogLevel.WARN, (line) => lines.push(line)).withContext({});
  const policy = { versions: DEFAULT_VERSIONS, ciphers: 'HIGH' };
  const sources = {
    pairs: [{ certificate, key }],
    clientAuthorities: undefined,
    policy,
    cipherFile: '',
  } as const;
  const certificates = new Certificates(sources, systemFiles, log, () => 86_400_001);
  certificates.close();
  expect(lines).toEqual([expect.stringContaining('mx.crt: the certificate has expired; renew it')]);
  expect(certificates.context).toBeDefined();
});
