/** The header parser under nodemailer's mailparser, as the package ships it. */

import { createRequire } from 'node:module';
import { showField, type HeaderReader } from './contestant.ts';

interface MailsplitHeaders {
  getList(): readonly { readonly key: string; readonly line: string }[];
}

/** The package has no types. */
const { Headers } = createRequire(import.meta.url)('mailsplit') as {
  readonly Headers: new (block: Buffer) => MailsplitHeaders;
};

export class MailsplitReader implements HeaderReader {
  readonly name = 'mailsplit';
  readonly way = 'Headers of mailsplit 5.4.6: one string of the block, split by a regular expression';

  index(block: Buffer): number {
    return new Headers(block).getList().length;
  }

  read(block: Buffer): readonly string[] {
    return new Headers(block)
      .getList()
      .map(({ line }) => showField(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)));
  }
}
