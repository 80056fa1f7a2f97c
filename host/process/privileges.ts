/** Giving up root: after the sockets are bound, before any plugin is loaded. */

import { statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { QpsmtpdError } from '../errors/error-classes.ts';
import { ownName } from '../errors/system-trouble.ts';

/**
 * Throws `Q_PRIVILEGES` if root starts a daemon and does not say as which user it is to run: anybody who breaks into a plugin or a
 * library would own the host, and files that root leaves keep the daemon out once it has a user.
 */
export function refuseTacitRoot(user: string | undefined): void {
  if (user !== undefined || process.geteuid?.() !== 0) return;
  throw refused(
    'started as root, and nobody said as which user to run (give --user NAME; --user root insists on root)',
  );
}

/** True if the process is root and was told to become another user. */
export function mustDropTo(user: string | undefined): user is string {
  return user !== undefined && process.getuid?.() === 0 && user !== 'root';
}

/**
 * Throws `Q_PRIVILEGES` if this process could not become `user`: not root and another user, or no such user. Asked
 * before anything is bound or written.
 */
export function checkUser(user: string): void {
  if (!/^[\w-]+$/.test(user)) throw refused(`"${user}" is no user name`);
  if (process.getuid?.() === 0) lookUp(user);
  else if (ownName() !== user) {
    throw refused(`cannot run as ${user}: only root may change the user (start as root or leave --user out)`);
  }
}

/**
 * Becomes `user` for good, with the groups of that user, if the process is root; HOME follows. Does nothing
 * otherwise: `checkUser` has seen to it that the process is `user` already.
 */
export function dropPrivileges(user: string | undefined): void {
  if (mustDropTo(user)) become(lookUp(user));
}

/**
 * Becomes the owner of `path` for good if the process is root: for commands that look into what the daemon keeps. Whatever
 * root opened or left there the daemon could not open any more. Does nothing where `path` is missing, or root's own.
 */
export function becomeOwnerOf(path: string): void {
  if (process.getuid?.() !== 0) return;
  const owner = statSync(path, { throwIfNoEntry: false });
  if (owner !== undefined && owner.uid !== 0) become(accountOf(owner));
}

/** An owner need not have an account: in a container, say. */
function accountOf({ uid, gid }: { readonly uid: number; readonly gid: number }): Account {
  try {
    return lookUp(uid);
  } catch {
    // A folder whose group is root must not leave us with it.
    return { name: undefined, uid, gid: gid === 0 ? uid : gid, homedir: '/' };
  }
}

function become({ name, uid, gid, homedir }: Account): void {
  const user = name ?? `user ${uid}`;
  try {
    // Not optional as the typings have it: without a call the groups of root would stay.
    if (name === undefined) posix.setgroups([gid]);
    else posix.initgroups(name, gid);
    posix.setgid(gid);
    posix.setuid(uid);
  } catch (cause) {
    throw new QpsmtpdError('Q_PRIVILEGES', `cannot become ${user}: ${String(cause)}`, { cause });
  }
  if (process.getuid?.() !== uid || process.geteuid?.() !== uid || process.getgid?.() !== gid) {
    throw refused(`the system did not let go of root for ${user}`);
  }
  process.env['HOME'] = homedir;
  process.env['USER'] = name ?? String(uid);
  process.env['LOGNAME'] = name ?? String(uid);
}

/** What Node has on every POSIX system; the typings leave out the first. */
const posix = process as unknown as {
  initgroups(user: string, group: number): void;
  setgroups(groups: readonly number[]): void;
  setgid(gid: number): void;
  setuid(uid: number): void;
};

interface Account {
  /** Undefined: it has none. */
  readonly name: string | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly homedir: string;
}

/**
 * Node has no getpwnam, but tells about the effective user; so root looks through that user's eyes for a moment, which
 * finds accounts of every name service and not only those in /etc/passwd.
 */
function lookUp(user: string | number): Account {
  try {
    process.seteuid?.(user);
  } catch (cause) {
    throw new QpsmtpdError(
      'Q_PRIVILEGES',
      `there is no user ${user} (create it, or name another with --user)`,
      {
        cause,
      },
    );
  }
  try {
    const { username: name, uid, gid, homedir } = userInfo();
    return { name, uid, gid, homedir };
  } finally {
    process.seteuid?.(0);
  }
}

function refused(message: string): QpsmtpdError {
  return new QpsmtpdError('Q_PRIVILEGES', message);
}
