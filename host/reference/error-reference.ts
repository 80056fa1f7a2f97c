/** What each error code and each exit code means and what to do about it, for docs/reference/errors.md: rows of Markdown. */

import { QpsmtpdError, type ErrorCode } from '../errors/error-classes.ts';
import { ExitCode, exitCodeOf } from '../process/exit-code.ts';

interface Facts {
  readonly cause: string;
  readonly remedy: string;
}

const errors: Readonly<Record<ErrorCode, Facts>> = {
  Q_CONFIG: {
    cause: 'a configuration file is missing, cannot be read, or has a line that means nothing',
    remedy: 'mend the line that is named; `qpsmtpd check` names everything that is wrong at once',
  },
  Q_PLUGIN_NOT_FOUND: {
    cause: 'a line of `plugins` or `logging` names a plugin that is nowhere',
    remedy: 'correct the name (the nearest one is told), or list its directory in `plugin_dirs`',
  },
  Q_PLUGIN_LOAD: {
    cause: 'the file of a plugin throws while it is loaded or set up, or exports no definition',
    remedy: 'mend the plugin at the place that is named, or what it needs: a list, a file, a folder',
  },
  Q_PACKAGE: {
    cause: 'the configuration asks for something that needs a package which is not installed',
    remedy: 'run the command that the message names, or take the line out',
  },
  Q_PLUGIN_OPTION: {
    cause: 'an option in the line of a plugin is unknown, missing, or has a value that it cannot have',
    remedy: 'correct the line; [the plugins](plugins.md) have their options there',
  },
  Q_LISTEN: {
    cause: 'the address cannot be listened on: it is in use, is none of this host, or needs a right',
    remedy: 'stop what listens there, choose another with `--listen`, or start as root with `--user`',
  },
  Q_ALREADY_RUNNING: {
    cause: 'the pid file names a process that runs',
    remedy: 'stop that one first, or give this one a `--pid-file` of its own',
  },
  Q_USAGE: {
    cause: 'the command line has an option, a command or a value that is none',
    remedy: 'see `--help` of the command, or the [command line](command-line.md)',
  },
  Q_NO_MESSAGE: {
    cause: 'a plugin reads a message that is not there yet, is not kept, or is gone with its session',
    remedy:
      'mend the plugin: the header is there from `data_headers_end` on, the body from `data_post_headers` on',
  },
  Q_DISK_FULL: {
    cause: 'there is no room for the message on the disk, or the quota is used up; the client is put off',
    remedy: 'make room; nothing is lost, clients come back',
  },
  Q_MEMORY: {
    cause: 'a message has no place in the memory that `memory_budget` allows; the client is put off',
    remedy:
      'raise [`memory_budget`](configuration.md), or lower `size_threshold`, so that more is kept on the disk',
  },
  Q_DELIVERY: {
    cause: 'a message could not be handed on, or read back: a hop, a program, a folder or a file has failed',
    remedy: 'the message of the error names it and the reason; the message is put off and tried again',
  },
  Q_SPOOL: {
    cause: 'the spool or its index cannot be opened, read or written',
    remedy:
      'see who may use the directory that is named; an index that is lost is made anew from the files at the next start',
  },
  Q_PRIVILEGES: {
    cause: 'the daemon cannot become the user of `--user`, or was started as root without it',
    remedy: 'name a user that exists, and start as root or as that user',
  },
  Q_STORE: {
    cause: 'the store of greylisting and karma cannot be opened or reached',
    remedy: 'see who may use its directory, or whether Redis answers: [the store](../guide/store.md)',
  },
  Q_CORE: {
    cause: '`QPSMTPD_CORE` asks for a core that does not exist or does not load (`CoreError`)',
    remedy: 'unset it: what can be had is chosen, and the log says if that is the slower one',
  },
};

/** One row per error code: what the process exits with if it ends by it, what has happened, and what to do. */
export function errorRows(): string[] {
  return (Object.entries(errors) as [ErrorCode, Facts][]).map(
    ([code, { cause, remedy }]) => `| \`${code}\` | ${exitCodesOf(code).join(', ')} | ${cause} | ${remedy} |`,
  );
}

/** A listener has two: an address in use may be free at the next try. */
function exitCodesOf(code: ErrorCode): readonly number[] {
  const cause = Object.assign(new Error(), { code: 'EADDRINUSE' });
  const ends = [undefined, cause].map((each) => exitCodeOf(new QpsmtpdError(code, '', { cause: each })));
  return [...new Set(ends)];
}

type ExitName = keyof typeof ExitCode;

const exits: Readonly<Record<ExitName, Facts>> = {
  OK: { cause: 'stopped by a signal; `check`: the configuration is valid', remedy: '' },
  ALREADY_RUNNING: {
    cause: 'the pid file names a running process',
    remedy: 'stop it, or name another `--pid-file`',
  },
  USAGE: { cause: 'error in the command line', remedy: 'see `--help`' },
  UNAVAILABLE: { cause: 'the version of Node is too old', remedy: 'install the one that is named' },
  SOFTWARE: {
    cause: 'fault of the program, or more than ten uncaught exceptions in a minute',
    remedy: 'report it with the lines of the log; a supervisor may start it again',
  },
  OS_ERROR: {
    cause:
      'cannot listen: no permission for the port, no such address; a listener broke and cannot be opened again',
    remedy: 'see the message: it names address and reason',
  },
  TRY_AGAIN: {
    cause: 'cannot listen: the address is in use',
    remedy: 'stop what listens there; a supervisor may try again',
  },
  NO_PERMISSION: {
    cause: 'cannot become the user; started as root without `--user`; a file or directory may not be used',
    remedy: 'see the message: it names user or path',
  },
  CONFIG: {
    cause: 'error in the configuration',
    remedy: 'mend what is named, and try it with `qpsmtpd check`',
  },
};

/** One row per exit code. */
export function exitRows(): string[] {
  return (Object.entries(exits) as [ExitName, Facts][]).map(
    ([name, { cause, remedy }]) => `| ${ExitCode[name]} | ${cause} | ${remedy} |`,
  );
}
