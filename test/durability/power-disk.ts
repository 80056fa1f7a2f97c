/** A file system whose power can be cut: an ext4 image behind a loop device. */

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasProgram } from '../integration/needs.ts';

const IMAGE_OCTETS = 256 * 1_048_576;
/** EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: nothing more gets to the disk, not even the journal. */
const CUT =
  'open(my $d, "<", $ARGV[0]) or die "$!\\n"; ioctl($d, 0x8004587d, my $f = pack("L", 2)) or die "$!\\n"';
/** What e2fsck has mended by itself is in order: 0 is clean, 1 corrected. */
const MAX_FSCK = 1;

/** Why there can be none here. */
export function missingPowerDisk(): string | undefined {
  if (process.geteuid!() !== 0) return 'only root can mount file systems';
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices here';
  const missing = ['/usr/sbin/mkfs.ext4', '/usr/sbin/e2fsck', 'mount', 'umount', 'perl'].filter(
    (name) => !hasProgram(name),
  );
  return missing.length === 0 ? undefined : `${missing.join(', ')} missing (apt-get install e2fsprogs mount)`;
}

export class PowerDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #folder: string;
  readonly #image: string;

  /** Makes the image and mounts it. */
  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-power-'));
    this.#image = join(this.#folder, 'image');
    this.path = join(this.#folder, 'disk');
    writeFileSync(this.#image, '');
    truncateSync(this.#image, IMAGE_OCTETS);
    mkdirSync(this.path);
    run('/usr/sbin/mkfs.ext4', '-q', this.#image);
    this.#mount();
  }

  /** From now on the disk takes nothing. Whatever was not flushed before is lost. */
  cut(): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = spawn('perl', ['-e', CUT, this.path], { stdio: ['ignore', 'inherit', 'inherit'] });
      child.once('error', reject);
      child.once('close', (code) =>
        code === 0 ? resolve() : reject(new Error(`the power of ${this.path} can't be cut`)),
      );
    });
  }

  /** The power is back: the journal is replayed, and the file system checked. Nobody may have a file open. */
  restore(): void {
    run('umount', this.path);
    const { status, stdout } = spawnSync('/usr/sbin/e2fsck', ['-f', '-p', this.#image], { encoding: 'utf8' });
    if (status === null || status > MAX_FSCK) throw new Error(`e2fsck ended with ${status}: ${stdout}`);
    this.#mount();
  }

  remove(): void {
    spawnSync('umount', [this.path]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #mount(): void {
    run('mount', '-o', 'loop', this.#image, this.path);
  }
}

function run(program: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
}
