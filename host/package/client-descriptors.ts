/** What bin/client-descriptors.cjs knows: it has run before anything else was loaded, or runs now. */

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { findPackageRoot } from './package-root.ts';

export interface ClientDescriptors {
  /** There is a client, or a listening socket, on descriptor 0. */
  readonly isThere: boolean;
  /** The descriptor that leads to the client; 0: the same socket both ways. */
  readonly output: number;
  /** The standard error stream was the client's, and leads nowhere now. */
  readonly isErrorHidden: boolean;
}

interface ProtectingModule {
  readonly client: ClientDescriptors;
  protect(args: readonly string[], environment: NodeJS.ProcessEnv): ClientDescriptors;
}

const load = (): ProtectingModule =>
  createRequire(import.meta.url)(join(findPackageRoot(), 'bin/client-descriptors.cjs')) as ProtectingModule;

/** What was found at the start. Touches no descriptor: of other programs they are none of a client. */
export const foundDescriptors = (): ClientDescriptors => load().client;

/** True if the program was started without arguments, and with a client there. */
export const isStartedForClient = (): boolean => foundDescriptors().isThere;

/** For a program that serves descriptor 0. */
export const clientDescriptors = (): ClientDescriptors => load().protect(['stdin:'], process.env);
