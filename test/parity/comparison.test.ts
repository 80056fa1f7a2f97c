import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseScript } from '../dialogue/script.ts';
import { CASES } from './cases.ts';
import { upgradeMail, upgradeTranscript } from './editions.ts';
import { printMails } from './mailbox.ts';
import { listProbes, parseMatrix, withoutAuthLine } from './matrix.ts';
import { normaliseMail, normaliseTranscript } from './normalise.ts';
import { parseOptions } from './options.ts';
import { CONFIGURATIONS, DIALOGUES, MATRICES, OLD_DIALOGUES, SCRIPTS } from './places.ts';
import { readReference } from './references.ts';
import { pluginsOf } from './subject.ts';

describe('the cases', () => {
  it('are the scripts, no more and no fewer, and each script can be read', () => {
    const files = readdirSync(SCRIPTS).map((name) => name.replace(/\.txt$/, ''));
    expect(CASES.map(({ script }) => script).sort()).toEqual(files.sort());
    for (const name of files)
      expect(parseScript(readFileSync(join(SCRIPTS, `${name}.txt`), 'utf8'))).not.toEqual([]);
  });

  it('have a configuration and a recorded dialogue each, and every dialogue has a case', () => {
    for (const { script, conf } of CASES) {
      for (const layer of conf)
        expect(existsSync(join(CONFIGURATIONS, layer)), `${script}: ${layer}`).toBe(true);
      expect(readReference(script), script).toBeDefined();
    }
    const dialogues = readdirSync(DIALOGUES).map((name) => name.replace(/\.txt$/, ''));
    expect(dialogues.sort()).toEqual(CASES.map(({ script }) => script).sort());
  });

  it('take the plugins from the last configuration layer that lists them', () => {
    expect(pluginsOf(['basic', 'tls'])[1]).toBe('tls');
    expect(pluginsOf(['bare'])).toEqual(['logging/warn']);
  });
});

describe('the matrix', () => {
  it('has a recorded cell for every hook and code that is probed', () => {
    const recorded = parseMatrix(readFileSync(MATRICES['1.00'], 'latin1'));
    expect(listProbes().map(({ hook, name }) => `${hook} ${name}`)).toEqual([...recorded.keys()]);
    expect(recorded.get('mail DENY +msg')).toBe('550-one | 550 two [open]');
    expect(withoutAuthLine(recorded.get('ehlo OK')!)).toMatch(/ \| 250-PIPELINING \| 250 8BITMIME \[open\]$/);
  });
});

describe('normalising', () => {
  it('hides the version and the CRAM-MD5 challenge, and nothing else of a 334', () => {
    const ticket = Buffer.from('<fd29.6b02f572@oracle.example>').toString('base64');
    expect(
      normaliseTranscript([
        'S: 220 mx ESMTP qpsmtpd 0.94 ready; send us your mail, but not your spam.',
        'S: 214-This is qpsmtpd 1.00/v1.0.0-8-gdf5b04d',
        `S: 334 ${ticket}`,
        'S: 334 VXNlcm5hbWU6',
        'S: 334 PGJyb2tlbg==',
      ]),
    ).toEqual([
      'S: 220 mx ESMTP qpsmtpd VERSION ready; send us your mail, but not your spam.',
      'S: 214-This is qpsmtpd VERSION',
      'S: 334 TICKET',
      'S: 334 VXNlcm5hbWU6',
      'S: 334 PGJyb2tlbg==',
    ]);
  });

  it('cuts a dialogue after its end, and keeps apart how it ended', () => {
    expect(normaliseTranscript(['S: 221 bye', 'S: [EOF]', 'C: NOOP', 'S: [RST]'])).toEqual([
      'S: 221 bye',
      'S: [EOF]',
    ]);
    expect(normaliseTranscript(['S: 450 no', 'S: [RST]', 'S: [EOF]'])).toEqual(['S: 450 no', 'S: [RST]']);
  });

  it('touches the date and version of the own Received field only', () => {
    const date = 'Sun, 22 Nov 2026 13:32:16 +0000';
    const mail = `Received: from a\n by mx (qpsmtpd/1.00) with ESMTP ; ${date}\nReceived: from x\n by y (qpsmtpd/0.9) with SMTP ; ${date}\n\nx\n`;
    expect(normaliseMail(mail)).toBe(
      `Received: from a\n by mx (qpsmtpd/VERSION) with ESMTP ; DATE\nReceived: from x\n by y (qpsmtpd/0.9) with SMTP ; ${date}\n\nx\n`,
    );
  });

  it('prints stored octets so that none is lost', () => {
    expect(printMails(['A: b\n\n\tc\\\x00\xe9', 'x\n'])).toEqual([
      '=== message',
      'M: A: b',
      'M: ',
      'M: \\tc\\\\\\x00\\xe9',
      '[no newline at the end]',
      '=== message',
      'M: x',
    ]);
  });
});

describe('version 0.94', () => {
  it('is read as 1.00 in every dialogue recorded of both', () => {
    const names = readdirSync(OLD_DIALOGUES);
    expect(names.length).toBeGreaterThan(10);
    for (const name of names) {
      const lines = readFileSync(join(OLD_DIALOGUES, name), 'utf8').replace(/\n$/, '').split('\n');
      const parityCase = CASES.find(({ script }) => `${script}.txt` === name);
      expect(parityCase, name).toBeDefined();
      const upgraded = upgradeTranscript(normaliseTranscript(lines), parityCase!);
      expect(upgraded, name).toEqual(readReference(parityCase!.script)?.dialogue);
    }
  });

  it('is read as 1.00 where the texts of AUTH differ', () => {
    const parityCase = { script: 'x', conf: [], since094: [['S: 550 old', 'S: 550 new']] as const };
    expect(
      upgradeTranscript(
        [
          'S: 504 Unimplemented authentification mechanism: x',
          'S: 535 PLAIN authentication failed for u@d - why',
          'S: 550 old',
        ],
        parityCase,
      ),
    ).toEqual([
      'S: 504 Unimplemented authentication mechanism: x',
      'S: 535 PLAIN authentication failed for u@d from 127.0.0.1 - why',
      'S: 550 new',
    ]);
  });

  it('is read as 1.00 in its header: order, the stray blank, the cipher, foreign results', () => {
    const old =
      'Return-Path: <a@b>\nReceived: from x\n by y (qpsmtpd/0.94) with (TLS_X encrypted) ESMTPS; NOW\n' +
      'Authentication-Results: y; auth=none\nAuthentication-Results: evil\nFrom: a\n\nbody\n\nReceived: no\n';
    expect(upgradeMail(old)).toBe(
      'Return-Path: <a@b>\nAuthentication-Results: y; auth=none\n' +
        'Received: from x\n by y (qpsmtpd/0.94) with ESMTPS (TLS_X encrypted); NOW\n' +
        'From: a\nOriginal-Authentication-Results: evil\n\nbody\n\nReceived: no\n',
    );
    expect(upgradeMail('Received: from x\n by y with SMTP; NOW\nAuthentication-Results: y\n')).toBe(
      'Authentication-Results: y\nReceived: from x\n by y with SMTP ; NOW\n',
    );
    expect(upgradeMail('Received-SPF: pass\nReceived: x\n with SMTP; NOW\nAuthentication-Results: y\n')).toBe(
      'Authentication-Results: y\nReceived: x\n with SMTP ; NOW\nReceived-SPF: pass\n',
    );
  });
});

describe('the command line', () => {
  it('takes several --only and refuses --record without what it needs', () => {
    expect(parseOptions(['--only', 'a.txt', '--only', 'b', '--no-oracle'])).toMatchObject({
      only: ['a', 'b'],
      withOracle: false,
      withDaemon: true,
    });
    expect(() => parseOptions(['--record', '--only', 'a'])).toThrow('--record needs --tree');
    expect(() => parseOptions(['--onyl', 'a'])).toThrow("Unknown option '--onyl'");
  });
});
