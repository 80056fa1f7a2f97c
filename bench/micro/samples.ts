/** The octets the micro benchmarks work on: made by rule, so that every run sees the same. */

/** The sizes at which every path is measured. */
export const SIZES = [64, 1_024, 65_536] as const;

const LINE = 'The quick brown fox jumps over the lazy dog, and nobody in the room minded it.';
/** Columns of text, the line end excluded: what mail clients wrap at. */
const COLUMNS = 74;

/** Mail data of exactly `octets`: lines of text, the last of which ends in CRLF too. */
export function makeText(octets: number): Buffer {
  const text = Buffer.alloc(octets, `${LINE.slice(0, COLUMNS)}\r\n`, 'latin1');
  if (octets >= 2) text.write('\r\n', octets - 2, 'latin1');
  // A CR that happens to stand right before the last line end would be a bare one.
  if (octets >= 3 && text[octets - 3] === 0x0d) text[octets - 3] = 0x2d;
  return text;
}

/** The attack on parsers that handle each dot by itself: every line begins with a stuffed dot. */
export function makeStuffedText(octets: number): Buffer {
  const text = Buffer.alloc(octets, '..\r\n', 'latin1');
  return octets % 4 === 0
    ? text
    : Buffer.concat([text.subarray(0, octets - (octets % 4)), makeText(octets % 4)]);
}

const COMMANDS = [
  'MAIL FROM:<john.doe-%@mail.example.com> SIZE=48213 BODY=8BITMIME',
  'RCPT TO:<postmaster+list-%@lists.example.org>',
  'RCPT TO:<%@example.net> NOTIFY=NEVER',
  'NOOP',
  'RSET',
] as const;

/** Whole command lines, as many as fit into `octets`; at least one. */
export function makeCommands(octets: number): Buffer {
  const lines: string[] = [];
  let length = 0;
  for (let index = 0; ; index++) {
    const line = `${COMMANDS[index % COMMANDS.length]!.replace('%', String(index))}\r\n`;
    if (length + line.length > octets && index > 0) return Buffer.from(lines.join(''), 'latin1');
    lines.push(line);
    length += line.length;
  }
}

const FIELDS = [
  'Received: from mail.example.com (mail.example.com [192.0.2.25])\r\n\tby mx.example.org with ESMTPS\r\n\tfor <list@example.org>; Mon, 02 Mar 2026 10:11:12 +0000',
  'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=2026;\r\n h=from:to:subject:date; bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;\r\n b=dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZVoG4ZHRNiYzR',
  'From: "John Doe" <john.doe@example.com>',
  'To: A list <list@example.org>',
  'Subject: The minutes of the meeting, and what follows from them',
  'Date: Mon, 02 Mar 2026 11:11:12 +0100',
  'Message-ID: <20260302111112.4711@mail.example.com>',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=utf-8',
  'X-Mailer: Letters 3.1',
] as const;

/** A header with its empty line, about `octets` long: as many fields as fit, one at least. */
export function makeHeader(octets: number): Buffer {
  const lines: string[] = [];
  let length = 2;
  for (let index = octets < 512 ? 2 : 0; ; index++) {
    const line = `${FIELDS[index % FIELDS.length]!}\r\n`;
    if (length + line.length > octets && lines.length > 0)
      return Buffer.from(`${lines.join('')}\r\n`, 'latin1');
    lines.push(line);
    length += line.length;
  }
}

const PARAGRAPH =
  '<tr><td class="text" style="padding:0 12px;color:#333333">A new letter of the week, with all that has happened since.</td></tr>\r\n';
const LINK = '<a href="https://news.example.com/read?id=4711&amp;u=%">Read it at www.example.org</a>\r\n';

/** HTML as in a newsletter, of exactly `octets`: a link after each sixth line. */
export function makeNewsletter(octets: number): Buffer {
  return Buffer.alloc(octets, PARAGRAPH.repeat(6) + LINK, 'latin1');
}
