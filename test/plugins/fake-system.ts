/** System services that touch nothing: zones and files are objects of the test. */

import type { Dns, DnsAnswer, Files, System, SystemServices } from '../../bindings/plugin/index.ts';
import { localTime } from '../../host/services/local-time.ts';

/** Records by `TYPE name` (`A mail.example`, `PTR 192.0.2.3`); a string instead of a list is why the question failed. */
export type Zones = Readonly<Record<string, readonly string[] | string>>;

/** A name that has any record exists; all others do not. */
export function fakeDns(zones: Zones = {}): Dns {
  const ask = (type: string, name: string): Promise<DnsAnswer<string>> => {
    const records = zones[`${type} ${name}`];
    if (typeof records === 'string') return Promise.resolve({ status: 'failed', reason: records });
    if (records !== undefined && records.length > 0) return Promise.resolve({ status: 'found', records });
    const exists = Object.keys(zones).some((key) => key.endsWith(` ${name}`));
    return Promise.resolve({ status: exists ? 'no such record' : 'no such name' });
  };
  return {
    resolve4: (name) => ask('A', name),
    resolve6: (name) => ask('AAAA', name),
    reverse: (address) => ask('PTR', address),
    txt: (name) => ask('TXT', name),
    mx: async (name) => {
      const answer = await ask('MX', name);
      if (answer.status !== 'found') return answer;
      return { status: 'found', records: answer.records.map((exchange) => ({ exchange, preference: 10 })) };
    },
  };
}

/** Facts about a host that does nothing. */
export const fakeHost = (overrides: Partial<System> = {}): System => ({
  hostName: 'mx.example',
  processId: 4711,
  userId: 1000,
  loadAverage: () => 0,
  localTime,
  environment: () => undefined,
  ...overrides,
});

function noFile(path: string): never {
  throw new Error(`${path}: can't be read: ENOENT`);
}
const NO_DIRECTORY = new Error('no such directory');
const refuse = (): Promise<never> => Promise.reject(NO_DIRECTORY);

/** An empty disk that nothing can be written to. */
export const fakeFiles = (overrides: Partial<Files> = {}): Files => ({
  read: () => Promise.resolve(undefined),
  readNow: noFile,
  readSecret: noFile,
  openKeyWarning: () => undefined,
  append: refuse,
  keep: () => ({ lines: undefined, refresh: () => undefined }),
  openGeoDatabase: () => undefined,
  prepareDirectory: () => undefined,
  expectDirectory: () => undefined,
  makeDirectory: refuse,
  syncDirectory: () => Promise.resolve(),
  kindOf: () => Promise.resolve(undefined),
  list: refuse,
  readHead: () => Promise.resolve(undefined),
  stage: refuse,
  ...overrides,
});

export function fakeSystem(overrides: Partial<SystemServices> = {}): SystemServices {
  return {
    dns: fakeDns(),
    files: fakeFiles(),
    system: fakeHost(),
    ...overrides,
  };
}
