/**
 * Debian packages beside those that are installed: mail servers shut each other out. They are unpacked once for each
 * machine and run in a file system of their own: the machine's, with the package and its users laid on top, seen by
 * nobody else and gone with the process.
 */

import { execFile } from 'node:child_process';
import { appendFileSync, copyFileSync, cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const DOWNLOAD_MS = 60_000;
const FIRST_ID = 64_900;

const PACKAGES = join(tmpdir(), `qpsmtpd-packages-${process.getuid?.()}`);

/**
 * Downloads and unpacks the packages that are not there yet; returns their folder. Rejects with a sentence that says what is
 * missing.
 */
export async function unpackPackages(names: readonly string[]): Promise<string> {
  const folder = join(PACKAGES, names.join('+'));
  if (existsSync(folder)) return folder;
  const scratch = `${folder}.${process.pid}`;
  mkdirSync(scratch, { recursive: true });
  try {
    await execute('apt-get', ['download', ...names], { cwd: scratch, timeout: DOWNLOAD_MS });
    const archives = (await execute('find', [scratch, '-name', '*.deb'])).stdout.trim().split('\n');
    for (const archive of archives) {
      await execute('dpkg-deb', ['-x', archive, join(scratch, 'tree')]);
    }
    // Units for systemd, in a folder that would hide the link to the machine's libraries.
    rmSync(join(scratch, 'tree', 'lib'), { recursive: true, force: true });
    renameSync(join(scratch, 'tree'), folder);
  } catch (error) {
    // Somebody else may have been faster.
    if (!existsSync(folder))
      throw new Error(`apt-get download ${names.join(' ')} failed: ${firstLine(error)}`, { cause: error });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return folder;
}

/** Why unpacked packages cannot run here; undefined if they can. */
export async function missingForUnpacked(names: readonly string[]): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'has to be started as root';
  if (!existsSync('/usr/bin/unshare')) return 'unshare is missing (apt-get install util-linux)';
  try {
    await execute('unshare', ['--mount', 'true']);
    await unpackPackages(names);
    return undefined;
  } catch (error) {
    return firstLine(error);
  }
}

/** Arguments of `unshare` that run `$2…` in the overlay below `$1`. */
const START = `
set -e
folder=$1
shift
mount -t tmpfs tmpfs "$folder/layers"
mkdir "$folder/layers/work" "$folder/layers/upper" "$folder/layers/root"
cp -a "$folder/upper/." "$folder/layers/upper/"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/layers/upper,workdir=$folder/layers/work" "$folder/layers/root"
mount --rbind /proc "$folder/layers/root/proc"
mount --rbind /dev "$folder/layers/root/dev"
mount --bind "$folder/shared" "$folder/layers/root/mnt"
exec chroot "$folder/layers/root" "$@"
`;

/** A file system with packages laid on top. Files in `shared` are those in `/mnt` inside, and stay. */
export interface OverlaidSystem {
  readonly shared: string;
  /** What goes on top of the machine's own files. */
  readonly upper: string;
  /** Program and words that run a command inside. */
  command(program: string, ...words: string[]): { program: string; words: readonly string[] };
}

/** Lays the packages and users with these names (each with a group of its own) over the machine, below `folder`. */
export async function overlaySystem(
  folder: string,
  packages: readonly string[],
  users: readonly string[],
): Promise<OverlaidSystem> {
  const tree = await unpackPackages(packages);
  const upper = join(folder, 'upper');
  const shared = join(folder, 'shared');
  for (const path of [upper, shared, join(folder, 'layers')]) mkdirSync(path);
  cpSync(tree, upper, { recursive: true });
  mkdirSync(join(upper, 'etc'), { recursive: true });
  for (const name of ['passwd', 'group']) copyFileSync(`/etc/${name}`, join(upper, 'etc', name));
  users.forEach((name, index) => {
    const id = FIRST_ID + index;
    appendFileSync(join(upper, 'etc', 'passwd'), `${name}:x:${id}:${id}::/var/empty:/bin/false\n`);
    appendFileSync(join(upper, 'etc', 'group'), `${name}:x:${id}:\n`);
  });
  const command = (...words: string[]) => ({
    program: 'unshare',
    words: ['--mount', 'sh', '-c', START, 'sh', folder, ...words],
  });
  return { shared, upper, command };
}

function firstLine(error: unknown): string {
  const { stderr, message } = error as { readonly stderr?: string; readonly message?: string };
  return (stderr?.trim() || message || String(error)).split('\n', 1)[0]!;
}
