import { describe, expect, test } from 'vitest';
import { MemoryLogs, testPlugin } from '../../host/testing/index.ts';
import syslog from '../../plugins/logging/syslog.ts';

/** What the plugin tells the syslog it opens. */
function playOn(options: string) {
  const logs = new MemoryLogs();
  const tested = testPlugin(syslog, { options, logs });
  for (const level of [0, 1, 2, 3, 4, 5, 6, 7] as const)
    tested.writeLog(level, `at ${level}`, { plugin: 'p' });
  const sent = logs.syslogLines.map(({ line, level }) => [line, level] as const);
  return { target: logs.syslogTargets[0], sent };
}

describe('logging/syslog', () => {
  test('sends the text alone, each level as the severity of the same number, up to LOGWARN', () => {
    const { target, sent } = playOn('');
    expect(target).toEqual({ ident: 'qpsmtpd', facility: 2, sockets: ['unix'] });
    expect(sent).toEqual([
      ['at 0', 0],
      ['at 1', 1],
      ['at 2', 2],
      ['at 3', 3],
      ['at 4', 4],
    ]);
  });

  test.each(['LOG_NOTICE', 'LOGNOTICE', 'notice', '5'])('sends everything with priority %s', (priority) => {
    const { sent } = playOn(`loglevel LOGERROR priority ${priority}`);
    expect(sent.map(([, severity]) => severity)).toEqual([5, 5, 5, 5]);
  });

  test('takes ident, facility and sockets', () => {
    const { target } = playOn('ident mail-in facility LOG_LOCAL3 logsock udp,unix');
    expect(target).toEqual({ ident: 'mail-in', facility: 19, sockets: ['udp', 'unix'] });
    expect(playOn('priority LOG_ERR facility local7 loglevel 0').target?.facility).toBe(23);
  });

  test.each(['facility LOG_NONE', 'priority loud', 'ident a/b', 'loglevel 8'])('refuses %s', (options) => {
    expect(() => testPlugin(syslog, { options })).toThrow(/logging\/syslog: \w+: must be/);
  });
});
