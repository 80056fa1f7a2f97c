/** Plugins that read and write files beside the configuration: user_config, help, content_log. */

import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { testPlugin, printVerdict, address, MemoryFiles, TestClock } from '../../host/testing/index.ts';
import contentLog from '../../plugins/content_log.ts';
import help from '../../plugins/help.ts';
import userConfig from '../../plugins/user_config.ts';

describe('user_config', () => {
  const joe = address('<joe@good.example>');

  test('reads the lines of the user, comments and all', async () => {
    const files = new MemoryFiles({ '/home/joe/.qpsmtpd/testfield': '# mine\ntestdata\n' });
    const { ask } = testPlugin(userConfig, { files });
    expect(printVerdict(await ask('user_config', joe, 'testfield'))).toBe('OK # mine testdata');
    expect(printVerdict(await ask('user_config', joe, 'noconfig'))).toBe('DECLINED');
    expect(files.reads).toEqual(['/home/joe/.qpsmtpd/testfield', '/home/joe/.qpsmtpd/noconfig']);
  });

  test('fills in user, host and address', async () => {
    const path = '/u/joe_good.example_joe@good.example/badmailfrom';
    const { ask } = testPlugin(userConfig, { options: '/u/%u_%h_%a', files: { [path]: 'x' } });
    expect(printVerdict(await ask('user_config', joe, 'badmailfrom'))).toBe('OK x');
  });

  test('never leaves the directory, whatever the address or the name', async () => {
    const files = new MemoryFiles();
    const { ask } = testPlugin(userConfig, { files });
    for (const localPart of ['../../etc', '..', '.', 'a/b', 'nul\0', '']) {
      const path = address(`<${localPart}@good.example>`);
      expect(printVerdict(await ask('user_config', path, 'passwd')), localPart).toBe('DECLINED');
    }
    for (const name of ['../passwd', '..', '']) {
      expect(printVerdict(await ask('user_config', joe, name)), name).toBe('DECLINED');
    }
    expect(files.reads).toEqual([]);
  });

  test('a file that cannot be read is logged and does not count as missing', async () => {
    const files = new MemoryFiles();
    files.fail('/home/joe/.qpsmtpd/x');
    const { ask, log } = testPlugin(userConfig, { files });
    expect(printVerdict(await ask('user_config', joe, 'x'))).toBe("DENYSOFT can't be read now");
    expect(log[0]).toContain("Couldn't open /home/joe/.qpsmtpd/x");
  });
});

describe('help', () => {
  const texts = {
    './help/mail': 'MAIL FROM:<path>\n\ttabs \u001b[31m\n',
    'help/d.txt': 'about DATA',
    '/h/rcpt': 'x'.repeat(600),
  };

  test.each([
    ['', '', "OK Try 'HELP COMMAND' for getting help on COMMAND"],
    ['', 'MAIL', 'OK MAIL FROM:<path>     tabs ?[31m'],
    ['', 'rcpt', 'OK No help available for SMTP command: rcpt'],
    ['', '../../etc/passwd', 'DENY Invalid command name'],
    ['', 'MAIL FROM', 'DENY Invalid command name'],
    ['DATA d.txt', 'data', 'OK about DATA'],
    // Pairs alone mean no directory.
    ['DATA d.txt', 'mail', 'OK No help available for SMTP command: mail'],
    ['DATA d.txt help_dir ./help', 'mail', 'OK MAIL FROM:<path>     tabs ?[31m'],
    ['help_dir /h', 'RCPT', `OK ${'x'.repeat(480)}`],
    ['not_implemented 1', 'MAIL', 'DENY Not implemented.'],
    ['not_implemented 0 help_dir /h', 'MAIL', 'OK No help available for SMTP command: mail'],
  ])('%s: HELP %s is answered with %s', async (line, argument, answer) => {
    const { ask } = testPlugin(help, { options: line, files: texts });
    const verdict = await ask('help', argument);
    expect(printVerdict(verdict)).toBe(answer);
    if (answer.startsWith('DENY')) expect(verdict.replyCode).toBe(502);
  });

  test('a command without a file is named at start', () => {
    expect(testPlugin(help, { options: 'DATA' }).log[0]).toContain('no pair of a command and its file');
  });
});

describe('content_log', () => {
  const NOON = Date.UTC(2026, 10, 22, 12, 34);

  test.each([
    ['true', true],
    [undefined, true],
    ['1', true],
    ['yes', true],
    ['YES    ', true],
    ['0', false],
    ['false', false],
    ['no', false],
    ['asdf ', false],
  ])('content_log_enabled %s: %s', async (value, isEnabled) => {
    const files = new MemoryFiles();
    files.prepareDirectory('mail');
    const lists = value === undefined ? {} : { content_log_enabled: [value] };
    const { ask, session } = testPlugin(contentLog, { config: lists, files });
    session.begin({ message: 'A: b\r\n\r\nbody\r\n' });
    await ask('data_post');
    expect(files.paths.length).toBe(isEnabled ? 1 : 0);
  });

  test.each([
    [undefined, 'mail/20261122'],
    ['/path/to/%Y%m%d%H%M', '/path/to/202611221234'],
  ])('content_log_file %s: the message goes to %s', async (pattern, path) => {
    const files = new MemoryFiles();
    files.prepareDirectory(dirname(path));
    const lists = pattern === undefined ? {} : { content_log_file: [pattern] };
    const { ask, session } = testPlugin(contentLog, {
      config: lists,
      files,
      clock: new TestClock(NOON),
    });
    session.begin({ message: 'A: b\r\n\r\nbody\r\n' });
    session.transaction.message.header.prepend('X-Mine', 'c');
    expect(printVerdict(await ask('data_post'))).toBe('DECLINED');
    expect(files.paths).toEqual([path]);
    expect(files.text(path)).toBe('X-Mine: c\nA: b\n\nbody\n');
  });

  test('mail goes on without its copy if the file cannot be written', async () => {
    // There is no directory for it.
    const { ask, session, log } = testPlugin(contentLog);
    session.begin({ message: 'A: b\r\n\r\n' });
    expect(printVerdict(await ask('data_post'))).toBe('DECLINED');
    expect(log[0]).toContain('continuing anyway');
  });
});
