/** System services that touch nothing: names and files are objects of the test. */

import { requirePackage } from '../../host/package/optional-package.ts';
import type { Files } from '../../bindings/plugin/index.ts';
import type { System, SystemServices } from '../../bindings/plugin/services.ts';
import { localTime } from '../../host/services/local-time.ts';
import { fakeResolver } from '../../host/testing/fake-resolver.ts';

/** Facts about a host that does nothing. */
export const fakeHost = (overrides: Partial<System> = {}): System => ({
  hostName: 'mx.example',
  processId: 4711,
  userId: 1000,
  loadAverage: () => 0,
  localTime,
  environment: () => undefined,
  optionalPackage: requirePackage,
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
  follow: noFile,
  readOctetsNow: () => undefined,
  prepareDirectory: () => undefined,
  expectDirectory: () => undefined,
  makeDirectory: refuse,
  syncDirectory: () => Promise.resolve(),
  kindOf: () => Promise.resolve(undefined),
  linkTarget: () => Promise.resolve(undefined),
  list: refuse,
  readHead: () => Promise.resolve(undefined),
  stage: refuse,
  ...overrides,
});

export function fakeSystem(overrides: Partial<SystemServices> = {}): SystemServices {
  return {
    dns: fakeResolver(),
    files: fakeFiles(),
    system: fakeHost(),
    ...overrides,
  };
}
