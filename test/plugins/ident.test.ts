/** The plugins that find out who the client is: ident/geoip and ident/p0f. */

import { afterEach, describe, expect, test } from 'vitest';
import { MemoryDaemons, printVerdict, silentDaemon, testPlugin } from '../../host/testing/index.ts';
import { fingerprint, geoCountry } from '../../bindings/plugin/index.ts';
import { askDaemon } from '../../plugins/ident/p0f/daemon-query.ts';
import geoip, {
  geoAsn,
  geoCity,
  geoCountryName,
  geoContinent,
  geoDistance,
} from '../../plugins/ident/geoip/index.ts';
import p0f, { fingerprintExclude } from '../../plugins/ident/p0f/index.ts';
import { makeMmdb } from './tiny-mmdb.ts';

describe('ident/geoip', () => {
  const syracuse = {
    country: { iso_code: 'US', names: { en: 'United States' } },
    continent: { code: 'NA' },
    city: { names: { en: 'Syracuse' } },
    location: { latitude: 43.0481, longitude: -76.1474 },
  };
  const zurich = {
    country: { iso_code: 'CH', names: { en: 'Switzerland' } },
    location: { latitude: 47.3769, longitude: 8.5417 },
  };

  const city = makeMmdb('GeoLite2-City', { '24.24.24.0/24': syracuse, '192.0.2.0/24': zurich });
  const asn = makeMmdb('GeoLite2-ASN', { '24.24.0.0/16': { autonomous_system_number: 11351 } });
  const country = makeMmdb('GeoLite2-Country', { '24.24.24.0/24': { country: { iso_code: 'US' } } });

  function locate(ip: string, databases: Record<string, Buffer>, more = '') {
    const asked = testPlugin(geoip, {
      options: `db_dir /geo ${more}`,
      files: Object.fromEntries(Object.entries(databases).map(([name, octets]) => [`/geo/${name}`, octets])),
    });
    asked.session.connection.remoteIp = ip;
    return asked;
  }

  test('24.24.24.24 is in Syracuse', async () => {
    const { ask, session, log } = locate('24.24.24.24', {
      'GeoLite2-City.mmdb': city,
      'GeoLite2-ASN.mmdb': asn,
    });
    expect(printVerdict(await ask('connect'))).toBe('DECLINED');
    const { notes } = session.connection;
    expect([geoCountry, geoCountryName, geoContinent, geoCity].map((note) => notes.get(note))).toEqual([
      'US',
      'United States',
      'NA',
      'Syracuse',
    ]);
    expect(notes.get(geoAsn)).toBe(11_351);
    expect(log).toEqual(['[c1] (connect) ident/geoip: NA, US, Syracuse']);
  });

  test('the fields say what is known and replace those that came; what is unknown leaves no field', async () => {
    const { ask, session } = locate('24.24.24.24', { 'GeoLite2-Country.mmdb': country });
    await ask('connect');
    session.begin({ message: 'X-GeoIP-Country: XX\r\nX-GeoIP-City: Kept\r\n\r\n' });
    await ask('data_post');
    expect(session.header).toBe('X-GeoIP-Country: US\r\nX-GeoIP-City: Kept\r\n');
    const silent = locate('24.24.24.24', { 'GeoLite2-Country.mmdb': country }, 'add_headers false');
    expect(silent.hooks).toEqual(['connect']);
  });

  test('distance is measured along the great circle, and costs karma if it is too far', async () => {
    for (const [limit, karma] of [
      ['6000', -1],
      ['7000', 0],
    ] as const) {
      const { ask, session } = locate(
        '24.24.24.24',
        { 'GeoLite2-City.mmdb': city },
        `distance 192.0.2.9 too_far ${limit}`,
      );
      await ask('connect');
      expect(session.connection.notes.get(geoDistance)).toBeGreaterThan(6_300);
      expect(session.connection.notes.get(geoDistance)).toBeLessThan(6_340);
      expect(session.connection.karma).toBe(karma);
    }
  });

  test('addresses nobody knows, this host and odd addresses have no place', async () => {
    for (const ip of ['203.0.113.1', '127.0.0.1', '2001:db8::1']) {
      const { ask, session } = locate(ip, { 'GeoLite2-City.mmdb': city });
      expect(printVerdict(await ask('connect')), ip).toBe('DECLINED');
      expect(session.connection.notes.get(geoCountry)).toBeUndefined();
    }
  });

  test('without a database the plugin says so and stays out of the way; a broken one keeps the daemon from starting', () => {
    const { hooks, log } = locate('24.24.24.24', {});
    expect(hooks).toEqual([]);
    expect(log[0]).toContain('there is no GeoLite2-City.mmdb');
    expect(() => locate('24.24.24.24', { 'GeoLite2-City.mmdb': Buffer.from('junk') })).toThrow(
      'is no MaxMind database',
    );
  });
});

describe('ident/p0f', () => {
  const SOCKET = '/run/p0f';
  const questions: Buffer[] = [];
  let daemons = new MemoryDaemons();
  afterEach(() => {
    questions.length = 0;
    daemons = new MemoryDaemons();
  });

  /** A daemon that answers every question the same, cut into pieces. */
  function p0fAnswers(answer: Buffer): void {
    daemons.listen(SOCKET, (client) => {
      client.once('data', (question: Buffer) => {
        questions.push(question);
        client.write(answer.subarray(0, 7));
        setImmediate(() => client.end(answer.subarray(7)));
      });
    });
  }

  function version3(status: number, texts: readonly string[] = []): Buffer {
    const answer = Buffer.alloc(232);
    answer.writeUInt32LE(0x50304602);
    answer.writeUInt32LE(status, 4);
    answer.writeUInt32LE(90, 20);
    answer.writeInt16LE(13, 36);
    texts.forEach((text, index) => answer.write(text, 40 + 32 * index, 'latin1'));
    return answer;
  }

  const WINDOWS = version3(0x10, ['Windows', '7 or 8', '', '', 'Ethernet or modem']);
  const ask3 = (more = '', config = {}) => testPlugin(p0f, { options: `${SOCKET} ${more}`, daemons, config });

  test('version 3: the client is asked about by its address, and the answer becomes a note and fields', async () => {
    p0fAnswers(WINDOWS);
    const { ask, session, log } = ask3();
    session.connection.remoteIp = '108.60.149.81';
    expect(printVerdict(await ask('connect'))).toBe('DECLINED');
    expect(questions[0]!.toString('hex')).toBe(`0146305004${'6c3c9551'}${'00'.repeat(12)}`);
    const note = session.connection.notes.get(fingerprint)!;
    expect(note).toMatchObject({
      genre: 'Windows 7 or 8',
      link: 'Ethernet or modem',
      distance: 13,
      uptime: 90,
    });
    expect(note.fields).toMatchObject({ os_name: 'Windows', uptime_min: 90 });
    session.begin({ message: 'X-P0F-Genre: forged\r\nA: b\r\n\r\n' });
    await ask('data_post');
    expect(session.header).toBe(
      'X-P0F-Link-Type: Ethernet or modem\r\nX-P0F-Genre: Windows 7 or 8\r\nA: b\r\n',
    );
    expect(log[0]).toBe('[c1] (connect) ident/p0f: Windows 7 or 8');
  });

  test('version 3: an IPv6 address goes out in its sixteen octets', async () => {
    p0fAnswers(WINDOWS);
    const { ask, session } = ask3();
    session.connection.remoteIp = '2001:db8::1';
    await ask('connect');
    expect(questions[0]!.toString('hex')).toBe('014630500620010db8000000000000000000000001');
  });

  test('version 2 is asked with both ends of the connection', async () => {
    const answer = Buffer.alloc(141);
    answer.writeUInt32LE(0x0defaced);
    answer.write('Windows', 9, 'latin1');
    answer.write('XP/2000 (RFC1323+, w+, tstamp-)', 29, 'latin1');
    answer.writeInt8(11, 69);
    answer.write('ethernet/modem', 70, 'latin1');
    answer.writeUInt32BE(255, 137);
    p0fAnswers(answer);
    const { ask, session, log } = ask3('version 2 local_ip 208.75.177.101');
    Object.assign(session.connection, { remoteIp: '108.60.149.81', remotePort: 2500, localPort: 25 });
    await ask('connect');
    const [question] = questions;
    expect(question!.subarray(12, 20).toString('hex')).toBe('6c3c9551d04bb165');
    expect([question!.readUInt32LE(0), question!.readUInt16LE(20), question!.readUInt16LE(22)]).toEqual([
      0x0defaced, 2500, 25,
    ]);
    expect(session.connection.notes.get(fingerprint)).toEqual({
      genre: 'Windows',
      detail: 'XP/2000 (RFC1323+, w+, tstamp-)',
      distance: 11,
      link: 'ethernet/modem',
      uptime: 255,
    });
    expect(log[0]).toBe('[c1] (connect) ident/p0f: Windows (XP/2000 (RFC1323+, w+, tstamp-))');
  });

  test.each([
    ['nobody the daemon knows', version3(0x20), 'skip, no match'],
    ['a question it did not understand', version3(0), 'skip, bad query'],
    ['another daemon', Buffer.alloc(232, 65), 'skip, Bad response magic.'],
    ['half an answer', version3(0x10).subarray(0, 100), 'skip, Bad response magic.'],
  ])('%s: the connection goes on', async (_, answer, line) => {
    p0fAnswers(answer);
    const { ask, session, log } = ask3();
    expect(printVerdict(await ask('connect'))).toBe('DECLINED');
    expect(session.connection.notes.get(fingerprint)).toBeUndefined();
    expect(log).toEqual([`[c1] (connect) ident/p0f: ${line}`]);
  });

  test('without a daemon the connection goes on', async () => {
    const { ask, log } = ask3();
    expect(printVerdict(await ask('connect'))).toBe('DECLINED');
    expect(log[0]).toContain('skip,');
    expect(log[0]).toContain(SOCKET);
  });

  test('a daemon that keeps silent is not waited for for ever', async () => {
    daemons.listen(SOCKET, silentDaemon);
    const question = Buffer.from('?');
    const limits = { octets: 1, timeoutMs: 20 };
    await expect(askDaemon(daemons.connect, SOCKET, question, limits)).rejects.toThrow(
      'no answer within 20 ms',
    );
  });

  test('smite_os costs karma', async () => {
    p0fAnswers(WINDOWS);
    for (const [pattern, karma] of [
      ['windows', -1],
      ['linux', 0],
    ] as const) {
      const { ask, session } = ask3(`smite_os ${pattern}`);
      await ask('connect');
      expect(session.connection.karma).toBe(karma);
    }
    expect(() => ask3('smite_os (?=x)')).toThrow('look-ahead');
  });

  test.each([
    ['Windows 7 or 8', 'DENY OS Blocked'],
    ['Commodor 16', 'DECLINED'],
    ['/windows/', 'DENY OS Blocked'],
    ['/windoze/', 'DECLINED'],
  ])('p0f_blocked_operating_systems %s: RCPT is answered with %s', async (line, answer) => {
    const { ask, session } = ask3('', { p0f_blocked_operating_systems: [line] });
    const rcpt = async () => printVerdict(await ask('rcpt', '<a@b.example>'));
    expect(await rcpt()).toBe('DECLINED');
    session.connection.notes.set(fingerprint, { genre: 'Windows 7 or 8', link: '', distance: 1, uptime: 0 });
    expect(await rcpt()).toBe(answer);
    session.connection.notes.set(fingerprintExclude, true);
    expect(await rcpt()).toBe('DECLINED');
  });

  test('only what is asked for is hooked, and welcome clients may run what they like', async () => {
    expect(ask3('add_headers false').hooks).toEqual(['connect']);
    expect(ask3('add_headers asdf').hooks).toEqual(['connect', 'data_post']);
    const { ask, session } = ask3('', { p0f_blocked_operating_systems: ['/./'] });
    session.connection.relayClient = true;
    session.connection.notes.set(fingerprint, { genre: 'Windows', link: '', distance: 1, uptime: 0 });
    expect(printVerdict(await ask('rcpt', '<a@b.example>'))).toBe('DECLINED');
  });
});
