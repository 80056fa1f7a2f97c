import { parseArgs } from 'node:util';

/** What the comparison was asked to do. */
export interface Options {
  readonly only: readonly string[];
  readonly withOracle: boolean;
  readonly withDaemon: boolean;
  /** A source tree of qpsmtpd 1.00 to stand in for Debian's 0.94. */
  readonly tree: string | undefined;
  readonly record: boolean;
  readonly matrix: boolean;
  readonly list: boolean;
  readonly help: boolean;
  readonly verbose: boolean;
}

export const USAGE = `usage: npm run parity -- [options]

Plays the dialogues of test/parity/scripts to Debian's qpsmtpd (Perl) and to this daemon, under the same
configuration, and compares replies and stored messages with those of qpsmtpd 1.00. Differences that
docs/differences.md lists are known; any other one, and a listed one that no longer shows, fails.

  --only NAME     only this script (01-full); may be given several times
  --matrix        instead: every hook with every return code
  --no-oracle     leave the Perl daemon out and compare with the recorded transcripts alone
  --no-daemon     leave this daemon out and check the recorded transcripts against the Perl daemon
  --tree FOLDER   use this source tree of qpsmtpd 1.00 in place of Debian's package
  --record        write what the Perl daemon of --tree answers as the new transcripts; needs --only
  --list          list the scripts and what each needs
  --verbose       print known differences and daemon logs too
  --help          this text
`;

/** Reads the command line; throws with what is wrong about it. */
export function parseOptions(words: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...words],
    options: {
      only: { type: 'string', multiple: true, default: [] },
      'no-oracle': { type: 'boolean', default: false },
      'no-daemon': { type: 'boolean', default: false },
      tree: { type: 'string' },
      record: { type: 'boolean', default: false },
      matrix: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.record && (values.tree === undefined || values.only.length === 0)) {
    throw new Error('--record needs --tree, a source tree of qpsmtpd 1.00, and --only');
  }
  return {
    only: values.only.map((name) => name.replace(/\.txt$/, '')),
    withOracle: !values['no-oracle'],
    withDaemon: !values['no-daemon'] && !values.record,
    tree: values.tree,
    record: values.record,
    matrix: values.matrix,
    list: values.list,
    help: values.help,
    verbose: values.verbose,
  };
}
