/** Messages handed in by HTTP: curl, the built daemon, and Apache httpd between them. */

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, openSync, closeSync, ftruncateSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { until } from '../patience.ts';
import { RunningProgram } from '../process/running-program.ts';
import { Workplace } from './daemon.ts';
import { CLIENT, connected } from './front.ts';
import { startHttpd, withCertificate, type Httpd } from './httpd.ts';
import { describeWith } from './needs.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MODULES = '/usr/lib/apache2/modules';
const TOKEN = 'token-of-the-shop-1234567';
const SECRET = 'token-of-nobody-at-all-89';

const JUDGE = `
const answers = {
  refuse: () => ({ kind: 'verdict', code: 901, lines: ['never'] }),
  defer: () => ({ kind: 'verdict', code: 902, lines: ['later'] }),
  hang: () => new Promise(() => undefined),
  die: () => { throw new Error('died on purpose'); },
};
export default { name: 'judge', about: '', hooks: { rcpt: (context, address) => answers[address.localPart]?.() } };
`;

let place: Workplace;
const ends: (() => unknown)[] = [];

beforeEach(() => {
  place = new Workplace({ loglevel: '7', plugin_timeout: '1' });
  chmodSync(place.folder, 0o755);
  const plugins = join(place.folder, 'plugins');
  mkdirSync(plugins);
  writeFileSync(join(plugins, 'judge.mjs'), JUDGE);
  place.write({
    plugin_dirs: plugins,
    plugins: `judge\nrcpt_ok\nqueue/maildir ${place.maildir}`,
    store: `lmdb:${join(place.folder, 'store')}`,
    http_tokens: `${TOKEN} inject as=shop`,
  });
  chmodSync(join(place.config, 'http_tokens'), 0o600);
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  place.remove();
});

interface Daemon {
  readonly program: RunningProgram;
  readonly port: number;
}

async function serve(workers = 1, options = 'inject=raw,kumo,json'): Promise<Daemon> {
  const listen = ['--listen', `http://127.0.0.1:0 ${options}`];
  const args = ['serve', '--config', place.config, '--workers', `${workers}`, ...listen];
  const program = new RunningProgram(join(ROOT, 'bin/qpsmtpd.cjs'), args);
  ends.push(() => program.dispose());
  const found = await program.out.find(/^listening on http:\/\/127\.0\.0\.1:(\d+)/);
  return { program, port: Number(found[1]) };
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly replayed: boolean;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What curl gets, with our token. */
const curl = (url: string, ...args: readonly string[]): Promise<Answer> => curlWith(TOKEN, url, ...args);

function curlWith(token: string, url: string, ...args: readonly string[]): Promise<Answer> {
  const head = ['-sSk', '-H', `Authorization: Bearer ${token}`, '--max-time', '120'];
  const wanted = '\n%{http_code} %{content_type} %header{idempotency-replayed}';
  return new Promise((resolve, reject) => {
    execFile('curl', [...head, '-w', wanted, ...args, url], { maxBuffer: 2 ** 26 }, (error, out) => {
      const [, text, status, type, replayed] = /^([^]*)\n(\d{3}) (\S*) (\S*)$/.exec(out) ?? [];
      // It may still be sending what nobody reads: the answer counts.
      if (status === undefined || status === '000') return reject(error ?? new Error(out));
      const body = JSON.parse(text || '{}') as Answer['body'];
      resolve({ status: Number(status), type: type!, replayed: replayed === 'true', body });
    });
  });
}

const RFC822 = ['-H', 'Content-Type: message/rfc822', '--data-binary'] as const;
const JSON_BODY = ['-H', 'Content-Type: application/json', '--data-binary'] as const;
const MESSAGE = 'Subject: x\n\nbody\n';

const messages = (port: number, ...to: readonly string[]): string =>
  `http://127.0.0.1:${port}/messages?from=a@example.org&${to.map((each) => `to=${each}@example.test`).join('&')}`;

const file = (name: string, content: string | Buffer): string => {
  const path = join(place.folder, name);
  writeFileSync(path, content);
  return `@${path}`;
};

describeWith('curl', 'curl')('the daemon alone', () => {
  test.each([
    [['b'], 202, undefined],
    [['refuse'], 422, 'refused'],
    [['defer'], 503, 'deferred'],
    [['hang'], 503, 'deferred'],
    [['die'], 503, 'deferred'],
    [['refuse', 'b', 'hang'], 202, undefined],
  ])('recipients %j: %i', async (to, status, kind) => {
    const { port } = await serve();
    const answer = await curl(messages(port, ...to), ...RFC822, MESSAGE);
    expect(answer.status).toBe(status);
    expect(answer.type).toBe(kind === undefined ? 'application/json' : 'application/problem+json');
    if (kind !== undefined) expect(answer.body['type']).toBe(`urn:qpsmtpd:problem:${kind}`);
    expect(place.delivered()).toHaveLength(status === 202 ? 1 : 0);
  });

  test('a token is not in the log, whoever shows it, and not in what check prints', async () => {
    const { program, port } = await serve();
    await curl(messages(port, 'b'), ...RFC822, MESSAGE);
    const other = ['-H', `Authorization: Bearer ${SECRET}`];
    expect((await curl(messages(port, 'b'), ...other, ...RFC822, MESSAGE)).status).toBe(400);
    expect((await curlWith(SECRET, messages(port, 'b'), ...RFC822, MESSAGE)).status).toBe(401);
    await program.err.find(/unknown HTTP token from 127\.0\.0\.1/);
    await program.err.find(/Queued|queued/);
    const check = new RunningProgram(join(ROOT, 'bin/qpsmtpd.cjs'), ['check', '--config', place.config]);
    await check.ended;
    const log = [...program.err.all, ...program.out.all, ...check.out.all, ...check.err.all].join('\n');
    expect(log).not.toContain(TOKEN);
    expect(log).not.toContain(SECRET);
  });

  test('JSON of 100 MB is refused without being kept, announced or in chunks', async () => {
    const { port } = await serve();
    const path = join(place.folder, 'huge.json');
    const handle = openSync(path, 'w');
    ftruncateSync(handle, 100_000_000);
    closeSync(handle);
    const url = `http://127.0.0.1:${port}/api/inject/v1`;
    expect((await curl(url, ...JSON_BODY, `@${path}`)).status).toBe(413);
    const chunked = [
      '-H',
      'Transfer-Encoding: chunked',
      '-T',
      path,
      '-X',
      'POST',
      '-H',
      'Content-Type: application/json',
    ];
    expect((await curl(url, ...chunked)).status).toBe(413);
    expect((await curl(messages(port, 'b'), ...RFC822, MESSAGE)).status).toBe(202);
  });

  test('a client that goes silent in its message is timed out, one that leaves is forgotten', async () => {
    place.write({ timeout: '2' });
    const { port, program } = await serve();
    const head = [
      'POST /messages?from=a@example.org&to=b@example.test HTTP/1.1',
      'Host: mx.test',
      `Authorization: Bearer ${TOKEN}`,
      'X-Forwarded-For: 192.0.2.1',
      'Content-Type: message/rfc822',
      'Content-Length: 1000000',
      '',
      'Subject: half',
      '',
      '',
    ].join('\r\n');
    const silent = connect({ port, host: '127.0.0.1' });
    let answer = '';
    silent.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    silent.write(head);
    await until(() => answer.includes('\r\n\r\n{'));
    expect(answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(answer).toMatch(/"code":421/);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    silent.destroy();

    place.write({ timeout: '600' });
    const leaving = connect({ port, host: '127.0.0.1' });
    const seen = program.err.all.length;
    leaving.write(head);
    await program.err.find(/ 354 go ahead/, seen);
    leaving.destroy();
    expect((await curl(messages(port, 'b'), ...RFC822, MESSAGE)).status).toBe(202);
    await until(() => place.spooled().length === 0);
    expect(
      place
        .delivered()
        .map(String)
        .filter((message) => message.includes('half')),
    ).toEqual([]);
  });

  test('an idempotency key holds for both workers, at once and afterwards', async () => {
    const { port, program } = await serve(2);
    const send = (): Promise<Answer> =>
      curl(messages(port, 'b'), '-H', 'Idempotency-Key: "order-1"', ...RFC822, MESSAGE);
    const atOnce = await Promise.all(Array.from({ length: 6 }, send));
    expect(new Set(atOnce.map(({ status }) => status))).toSatisfy((seen: Set<number>) => seen.has(202));
    expect(atOnce.filter(({ status }) => status !== 202 && status !== 409)).toEqual([]);
    const later: Answer[] = [];
    for (let count = 0; count < 6; count++) later.push(await send());
    const [{ body } = atOnce[0]!] = atOnce.filter(({ status }) => status === 202);
    for (const answer of later) expect(answer).toMatchObject({ status: 202, replayed: true, body });
    expect(place.delivered()).toHaveLength(1);
    // Other messages show that both workers are asked.
    const pids = (): Set<string> =>
      new Set(
        program.err.all.flatMap((line) => /^(?:\S+Z )?(\d+) \[\S+\] Connection from/.exec(line)?.[1] ?? []),
      );
    for (let count = 0; count < 40 && pids().size < 2; count++)
      await curl(messages(port, 'b'), ...RFC822, MESSAGE);
    expect(pids().size).toBe(2);
  });

  test('does not start without a token', async () => {
    place.write({ http_tokens: `${TOKEN} nginx-auth` });
    chmodSync(join(place.config, 'http_tokens'), 0o600);
    const args = [
      'serve',
      '--config',
      place.config,
      '--workers',
      '1',
      '--listen',
      'http://127.0.0.1:0 inject=raw',
    ];
    const program = new RunningProgram(join(ROOT, 'bin/qpsmtpd.cjs'), args);
    expect((await program.ended).code).toBe(78);
    expect(program.err.all.join('\n')).toMatch(
      /config\/http_tokens:.* none has the scope inject \(add a line "TOKEN inject"; `openssl rand -hex 24` makes a token\)/,
    );
  });
});

describeWith('apache2', 'apache2')('behind Apache httpd', () => {
  const LOAD = ['proxy', 'proxy_http', 'headers'].map(
    (name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`,
  );

  async function front(port: number): Promise<Httpd> {
    const proxy = [`ProxyPass / http://127.0.0.1:${port}/`, 'ProxyTimeout 120'];
    const httpd = await startHttpd(place.folder, 'event', LOAD, [
      { protocol: 'http', lines: [...proxy, 'RequestHeader set X-Forwarded-Proto http'] },
      {
        protocol: 'http',
        lines: [...withCertificate(place.folder), ...proxy, 'RequestHeader set X-Forwarded-Proto https'],
      },
    ]);
    ends.push(() => httpd.end());
    for (const each of httpd.ports) (await connected(each)).destroy();
    return httpd;
  }

  const AS_CLIENT = ['--interface', CLIENT] as const;

  test('27 MB arrive as they were sent, from the client and by TLS', async () => {
    const { port } = await serve();
    const { ports } = await front(port);
    const lines = Array.from({ length: 380_000 }, () => randomBytes(26).toString('hex').padEnd(70, '.'));
    lines[5] = '.';
    lines[6] = '..dot';
    const message = Buffer.from(`Subject: large\n\n${lines.join('\n')}\n`);
    expect(message.length).toBeGreaterThan(26_900_000);
    const url = messages(ports[1]!, 'b').replace('http:', 'https:');
    const answer = await curl(url, ...AS_CLIENT, ...RFC822, file('large', message));
    expect(answer).toMatchObject({ status: 202, body: { stage: 'end-of-data' } });
    const [delivered] = place.delivered();
    expect(delivered!.subarray(-message.length).equals(message)).toBe(true);
    const trace = delivered!.subarray(0, delivered!.length - message.length).toString();
    expect(trace).toMatch(
      /^Received: from .* \(HELO \[127\.0\.0\.9\]\) \(127\.0\.0\.9\)\n by mx\.test .* with ESMTPSA /m,
    );
    expect(trace).toMatch(/auth=pass \(HTTP\) smtp\.auth=shop/);
  });

  test('a batch of a thousand recipients, in the form of KumoMTA', async () => {
    const { port } = await serve();
    const httpd = await front(port);
    const recipients = Array.from({ length: 1_000 }, (_, index) => ({ email: `u${index}@example.test` }));
    const body = JSON.stringify({ envelope_sender: 'a@example.org', content: MESSAGE, recipients });
    const url = `http://127.0.0.1:${httpd.port}/api/inject/v1`;
    const answer = await curl(url, ...AS_CLIENT, ...JSON_BODY, file('batch', body));
    expect(answer).toMatchObject({ status: 200, body: { success_count: 1_000, fail_count: 0 } });
    expect(String(place.delivered()[0])).toMatch(/\(127\.0\.0\.9\)\n by mx\.test .* with ESMTPA /);
  });

  test('problems come through as they are', async () => {
    const { port } = await serve();
    const httpd = await front(port);
    const answer = await curl(messages(httpd.port, 'refuse'), ...AS_CLIENT, ...RFC822, MESSAGE);
    expect(answer).toMatchObject({
      status: 422,
      type: 'application/problem+json',
      body: { reply: { code: 550, text: 'never' }, stage: 'rcpt' },
    });
    expect((await curl(`http://127.0.0.1:${httpd.port}/openapi.json`, ...AS_CLIENT)).body['openapi']).toBe(
      '3.1.0',
    );
  });
});
