/** dkimpy and Mail::DKIM verify what we seal, and we what dkimpy seals. */

import { spawn } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hop, MESSAGE, RSA } from '../plugins/arc/chains.ts';
import { describeWith } from './needs.ts';

const SEALER = 'rsa.example';
const KEYS = { [`s._domainkey.${SEALER}`]: RSA.record };

interface Answer {
  readonly status?: string;
  readonly reason?: string;
  readonly set?: string;
}

/** A program that answers lines of JSON. */
class Oracle {
  readonly #child;
  readonly #lines;

  constructor(command: string, file: string) {
    this.#child = spawn(command, [join(import.meta.dirname, 'programs', file)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  async ask(question: object): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify(question)}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the program has ended');
    return JSON.parse(value) as Answer;
  }

  async verify(message: string): Promise<string | undefined> {
    const octets = Buffer.from(message, 'latin1').toString('base64');
    return (await this.ask({ op: 'verify', message: octets, keys: KEYS })).status;
  }

  async end(): Promise<void> {
    this.#child.stdin.end();
    await once(this.#child, 'close');
  }
}

describeWith('dkimverify', 'python3-dkim libmail-dkim-perl')('ARC', () => {
  let dkimpy: Oracle;
  let mailDkim: Oracle;
  beforeAll(() => {
    dkimpy = new Oracle('/usr/bin/python3', 'arc-dkimpy.py');
    mailDkim = new Oracle('perl', 'arc-mail-dkim.pl');
  });
  afterAll(async () => {
    await dkimpy.end();
    await mailDkim.end();
  });

  async function sealedByDkimpy(message: string): Promise<string> {
    // A server takes out what claims to be its own; dkimpy would take two results for a broken chain.
    const foreign = message.replace(/^Authentication-Results:[^]*?\r\n(?![ \t])/gm, '');
    const { message: judged } = await hop(foreign);
    const { set = '' } = await dkimpy.ask({
      op: 'sign',
      message: Buffer.from(judged, 'latin1').toString('base64'),
      selector: 's',
      domain: SEALER,
      key: createPrivateKey(RSA.private).export({ type: 'pkcs1', format: 'pem' }).toString(),
      server: 'mx.example',
    });
    expect(set).not.toBe('');
    return Buffer.from(set, 'base64').toString('latin1') + judged;
  }

  test('both verify one, two and three of our sets, and see that one was changed', async () => {
    let message = MESSAGE;
    for (let sets = 1; sets <= 3; sets++) {
      ({ message } = await hop(message, SEALER));
      expect([sets, await dkimpy.verify(message), await mailDkim.verify(message)]).toEqual([
        sets,
        'pass',
        'pass',
      ]);
    }
    const changed = message.replace('i=1; mx.example', 'i=1; mx.forged');
    expect(await dkimpy.verify(changed)).toBe('fail');
    expect(await mailDkim.verify(changed)).toBe('fail');
  });

  test('we verify sets of dkimpy, alone and between ours', async () => {
    const one = await sealedByDkimpy(MESSAGE);
    expect((await hop(one)).results[0]).toContain('arc=pass (i=1 as.d=rsa.example)');
    const { message: two } = await hop(one, SEALER);
    const three = await sealedByDkimpy(two);
    expect((await hop(three)).results[0]).toContain('arc=pass (i=3 as.d=rsa.example)');
    expect(await mailDkim.verify(three)).toBe('pass');
    expect((await hop(three.replace('Hello.', 'Hallo.'))).results[0]).toMatch(/^arc=fail/);
  });
});
