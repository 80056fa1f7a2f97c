import { describe, expect, it } from 'vitest';
import {
  authenticationResults,
  renameForeignResults,
  type AuthenticationOutcome,
} from '../../host/message/authentication-results.ts';
import { DateStamp, formatDate } from '../../host/message/date-stamp.ts';
import { HeaderFields } from '../../host/message/header-fields.ts';
import {
  authenticationNote,
  cipherNote,
  receivedValue,
  type TracedConnection,
} from '../../host/session/trace.ts';
import { core } from './core.ts';

const plain: TracedConnection = {
  remoteInfo: 'Unknown',
  remoteIp: '127.0.0.1',
  hello: 'ehlo',
  helloHost: 'client.example',
  tls: undefined,
  auth: undefined,
};
const tls = { by: 'self', version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', verified: false } as const;
const auth = { user: 'user@good.example', mechanism: 'plain' };
const receiver = { name: 'oracle.example', version: '1.00/v1.0.0' };
const date = 'Sun, 22 Nov 2026 13:32:16 +0000';

describe('Received (RFC 5321 section 4.4)', () => {
  it('has the two lines of qpsmtpd', () => {
    expect(receivedValue(plain, receiver, date)).toBe(
      'from Unknown (HELO client.example) (127.0.0.1)\n by oracle.example (qpsmtpd/1.00/v1.0.0) with ESMTP ; ' +
        date,
    );
  });

  it.each<[Partial<TracedConnection>, string]>([
    [{ hello: 'helo' }, 'with SMTP ;'],
    [{ hello: 'helo', tls, auth }, 'with SMTP (TLS_AES_256_GCM_SHA384 encrypted);'],
    [{ tls }, 'with ESMTPS (TLS_AES_256_GCM_SHA384 encrypted);'],
    [{ auth }, 'with ESMTPA ;'],
    [{ tls, auth }, 'with ESMTPSA (TLS_AES_256_GCM_SHA384 encrypted);'],
  ])('names the protocol as RFC 3848 does: %j', (facts, words) => {
    expect(receivedValue({ ...plain, ...facts }, receiver, date)).toContain(` ${words} Sun`);
  });

  it('has no control characters from the client in it', () => {
    const value = receivedValue(
      { ...plain, helloHost: 'a\r\nX: y\0', remoteInfo: 'b\nc', tls: { ...tls, cipher: 'd\re' } },
      receiver,
      date,
    );
    expect(value.split('\n')).toHaveLength(2);
    expect(value).toContain('from b?c (HELO a??X: y?)');
    expect(value).not.toMatch(/[\r\0]/);
  });

  it('keeps who authenticated for the hook alone', () => {
    expect(authenticationNote({ ...plain, auth })).toBe(
      '(smtp-auth username user@good.example, mechanism plain)\n',
    );
    expect(authenticationNote(plain) + cipherNote(plain)).toBe('');
    expect(receivedValue({ ...plain, auth }, receiver, date)).not.toContain('user@good.example');
  });
});

describe('the date of trace fields (RFC 5322 section 3.3)', () => {
  it.each([
    ['UTC', 'Thu, 01 Jan 2026 00:00:07 +0000'],
    ['Asia/Kolkata', 'Thu, 01 Jan 2026 05:30:07 +0530'],
    ['America/St_Johns', 'Wed, 31 Dec 2025 20:30:07 -0330'],
  ])('is local time with its offset: %s', (zone, text) => {
    const before = process.env['TZ'];
    process.env['TZ'] = zone;
    try {
      expect(formatDate(new Date('2026-01-01T00:00:07Z'))).toBe(text);
    } finally {
      if (before === undefined) delete process.env['TZ'];
      else process.env['TZ'] = before;
    }
  });

  it('is made once a second', () => {
    let now = 1_795_354_336_000;
    const stamp = new DateStamp({ now: () => now });
    const first = stamp.text();
    now += 999;
    expect(stamp.text()).toBe(first);
    now += 1;
    expect(stamp.text()).not.toBe(first);
    now -= 1;
    expect(stamp.text()).toBe(first);
  });
});

describe('our Authentication-Results (RFC 8601 section 2.2)', () => {
  it.each<[AuthenticationOutcome, string[], string]>([
    ['none', [], 'mx.us; auth=none'],
    ['fail', [], 'mx.us; auth=fail'],
    [{ user: 'a@b.c', mechanism: 'plain' }, [], 'mx.us; auth=pass (plain) smtp.auth=a@b.c'],
    [{ user: 'joe', mechanism: 'login' }, ['spf=pass'], 'mx.us; auth=pass (login) smtp.auth=joe; spf=pass'],
    [{ user: 'a b"\\;', mechanism: 'x)(' }, [], 'mx.us; auth=pass (x\\)\\() smtp.auth="a b\\"\\\\;"'],
    [{ user: 'a\r\nb', mechanism: 'p' }, [], 'mx.us; auth=pass (p) smtp.auth="a??b"'],
    ['none', ['a=pass', 'b=fail'], 'mx.us; auth=none; a=pass; b=fail'],
  ])('of %j and %j', (outcome, results, value) => {
    expect(authenticationResults('mx.us', outcome, results)).toBe(value);
  });

  it('folds between results, so that lines have 78 octets where they can', () => {
    const results = [
      'spf=pass smtp.mailfrom=a.example',
      'dkim=pass header.d=a.example header.s=key',
      'iprev=pass',
    ];
    expect(authenticationResults('mx.us', 'none', results)).toBe(
      'mx.us; auth=none; spf=pass smtp.mailfrom=a.example;\n' +
        ' dkim=pass header.d=a.example header.s=key; iprev=pass',
    );
  });

  it('never has a line of more than 998 octets, whatever plugins add', () => {
    const results = [`a=fail header.d=${'x'.repeat(2_000)}`, `b=pass (${'word '.repeat(400)})`, 'c=pass'];
    const value = authenticationResults('mx.us', 'none', results);
    expect(value).not.toContain('a=fail');
    expect(value).toMatch(/^mx\.us; auth=none;\n b=pass \(word[^]*; c=pass$/);
    expect(Math.max(...value.split('\n').map((line) => line.length))).toBeLessThanOrEqual(78);
  });
});

describe('foreign Authentication-Results (RFC 8601 section 5)', () => {
  const rename = (text: string): string => {
    const header = new HeaderFields(core, Buffer.from(`${text}\r\n`));
    renameForeignResults(header, 'mx.us');
    return Buffer.concat(header.render('lf')).toString();
  };
  const signature = (names: string): string => `DKIM-Signature: v=1; d=x; h=${names}; b=abc\r\n`;
  const signed = signature('from: authentication-RESULTS');

  it('are all renamed and moved to the end, octet by octet', () => {
    const three = [1, 2, 3].map((i) => `Authentication-Results: evil${i};\r\n  dkim=pass \r\n`).join('');
    expect(rename(`From: a\r\n${three}authentication-results :mx.us; x=y\r\nTo: b\r\n`)).toBe(
      'From: a\nTo: b\n' +
        [1, 2, 3].map((i) => `Original-Authentication-Results: evil${i};\n  dkim=pass \n`).join('') +
        'Original-Authentication-Results: mx.us; x=y\n',
    );
  });

  it.each([
    ['lists them', signed],
    ['lists them in folds', signature('from:\r\n\t Authentication-Results \r\n :to')],
    ['lists them beside another signature', signature('from') + signed],
  ])('keep their name when a signature %s', (_, signatures) => {
    const text = `${signatures}Authentication-Results: other.example; spf=pass\r\n`;
    expect(rename(text)).toBe(text.replaceAll('\r\n', '\n'));
  });

  it.each([
    ['does not list them', signature('from:to')],
    ['has them in another tag', 'DKIM-Signature: v=1; h=from; z=authentication-results\r\n'],
    ['has a name that only ends so', signature('original-authentication-results')],
  ])('are renamed when the signature %s', (_, signatures) => {
    expect(rename(`${signatures}Authentication-Results: other.example; spf=pass\r\n`)).toContain(
      'Original-Authentication-Results: other.example',
    );
  });

  it.each([
    'mx.us; dkim=pass',
    'MX.US 1; dkim=pass',
    '(a (nested \\) ; comment)) mx.us(b); dkim=pass',
    '"mx\\.us"; dkim=pass',
    '\r\n\tmx.us; dkim=pass',
    '(never closed mx.us; dkim=pass',
    '"mx.us; dkim=pass',
    '; dkim=pass',
    '',
  ])('in our own name are renamed even if signed: %j', (value) => {
    const text = rename(`${signed}Authentication-Results: ${value}\r\n`);
    expect(text).toMatch(/^DKIM-Signature: .*\nOriginal-Authentication-Results: /);
  });

  it('that a plugin added are ours', () => {
    const header = new HeaderFields(core, Buffer.from('From: a\r\n\r\n'));
    header.prepend('Authentication-Results', 'mx.us; auth=none');
    expect(renameForeignResults(header, 'mx.us')).toBe(0);
    expect(header.names()).toEqual(['Authentication-Results', 'From']);
  });
});
