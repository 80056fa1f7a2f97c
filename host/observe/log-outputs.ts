/** The outputs of this process. Two plugins, or a plugin before and after a reload, that name the same file share it. */

import type { LogOutput, Logs, SyslogTarget } from '../../bindings/plugin/log-services.ts';
import { stamps } from './error-stream.ts';
import { jsonLines } from './json-line.ts';
import { LogCommand } from './log-command.ts';
import { LogFile } from './log-file.ts';

interface SharedFile {
  readonly file: LogFile;
  users: number;
}

const files = new Map<string, SharedFile>();

export type OpenSyslog = (target: SyslogTarget, complain: (problem: string) => void) => LogOutput;

/** The logs of one generation of the configuration. */
export interface ClosableLogs extends Logs {
  /** Closes every output that was opened; lines on their way still go out. */
  close(): void;
}

/** `complain` must not lead back into the log. */
export function makeLogs(
  hostName: string,
  complain: (problem: string) => void,
  openSyslog: OpenSyslog,
): ClosableLogs {
  const outputs = new Set<LogOutput>();
  const opened = (output: LogOutput): LogOutput => {
    outputs.add(output);
    const close = (): void => {
      if (outputs.delete(output)) output.close();
    };
    return { write: (line, level) => output.write(line, level), close };
  };
  return {
    hostName,
    stamped: (timestamp) => stamps(timestamp),
    file: (path) => opened(shareFile(path, complain)),
    command: (command) => opened(new LogCommand(command, complain)),
    syslog: (target) => opened(openSyslog(target, complain)),
    json: () => jsonLines(hostName),
    close: () => {
      for (const output of outputs) output.close();
      outputs.clear();
    },
  };
}

/** Every log file of this process is closed, and opened again for its next line. */
export function reopenLogFiles(): void {
  for (const { file } of files.values()) file.reopen();
}

function shareFile(path: string, complain: (problem: string) => void): LogOutput {
  let shared = files.get(path);
  if (shared === undefined) {
    shared = { file: new LogFile(path, complain), users: 0 };
    files.set(path, shared);
  }
  const { file } = shared;
  // Who opens it again after HUP expects the new file, if the old one was moved away.
  file.lookAgain();
  shared.users++;
  const close = (): void => {
    if (--shared.users > 0) return;
    files.delete(path);
    file.close();
  };
  return { write: (line) => file.write(line), close };
}
