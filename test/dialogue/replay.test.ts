import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { replayScript } from './replay-script.ts';
import { replayTranscript } from './replay-transcript.ts';
import { parseScript } from './script.ts';
import { answerLines, listenStandIn, type Answers } from './stand-in.ts';
import { connectWire, StreamWire } from './stream-wire.ts';

const ANSWERS: Answers = {
  'EHLO a.example': '250-mx.example\r\n250 HELP\r\n',
  NOOP: '250 OK\r\n',
  ODD: '250 a\rb\n',
  QUIT: 'close',
  CRASH: 'reset',
};

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function overSocket(greeting = '220 mx.example\r\n'): Promise<StreamWire> {
  const { server, port } = await listenStandIn(greeting, ANSWERS);
  servers.push(server);
  return connectWire(port);
}

function overPair(greeting = '220 mx.example\r\n'): StreamWire {
  const [near, far] = duplexPair();
  answerLines(far, greeting, ANSWERS);
  return new StreamWire(near);
}

describe.each([
  ['a socket', overSocket],
  ['a duplex stream', async () => overPair()],
] as const)('a dialogue over %s', (_, open) => {
  it('is printed as said and heard, replies of several lines and the end included', async () => {
    const wire = await open();
    expect(
      await replayScript(wire, parseScript('S\nC EHLO a.example\nR NOOP\\r\\nNOOP\\r\\n\nS\nS\nC QUIT\nE')),
    ).toEqual([
      'S: 220 mx.example',
      'C: EHLO a.example',
      'S: 250-mx.example',
      'S: 250 HELP',
      'C| NOOP\\r\\nNOOP\\r\\n',
      'S: 250 OK',
      'S: 250 OK',
      'C: QUIT',
      'S: [EOF]',
      'S: [EOF]',
    ]);
    wire.close();
  });

  it('shows a bare LF and a CR inside a line', async () => {
    const wire = await open();
    expect(await replayScript(wire, parseScript('S\nC ODD'))).toContain('S: 250 a\\rb [bare LF]');
    wire.close();
  });

  it('says so where no reply comes, and goes on', async () => {
    const wire = await open();
    const lines = await replayScript(wire, parseScript('S\nN SILENT\nC NOOP'), { briefMs: 20 });
    expect(lines.slice(1)).toEqual(['C: SILENT', 'S: [no reply, timeout]', 'C: NOOP', 'S: 250 OK']);
    wire.close();
  });

  it.each(['whole', 'bytes'] as const)('is compared with a golden dialogue, sent %s', async (cut) => {
    const wire = await open();
    const golden =
      'S: 220 mx.example\nC: EHLO a.example\nS: 250-mx.example\nS: 250 HELP\nC| NOOP\\r\\n\nS: 250 OK\n';
    const { expected, actual } = await replayTranscript(wire, golden, { cut });
    expect(actual).toEqual(expected);
    wire.close();
  });

  it('tells a wrong line, a missing line and one too many from the golden dialogue', async () => {
    const wrong = await open();
    expect((await replayTranscript(wrong, 'S: 220 mx.example\nC: NOOP\nS: 250 Fine')).actual[2]).toBe(
      'S: 250 OK',
    );
    wrong.close();
    const missing = await open();
    // The greeting may take its time, the reply that never comes need not.
    expect((await missing.readLine(60_000)).kind).toBe('line');
    const outcome = await replayTranscript(missing, 'C: SILENT\nS: 250 OK', { timeoutMs: 20 });
    expect(outcome.actual[1]).toBe('S: [no reply, timeout]');
    missing.close();
    const more = await open();
    expect((await replayTranscript(more, 'S: 220 mx.example\nC: NOOP')).actual.slice(2)).toEqual([
      'S: 250 OK',
    ]);
    more.close();
  });
});

describe('the end of a connection', () => {
  it('is told from a reset, and a reset is told once', async () => {
    const wire = await overSocket();
    const lines = await replayScript(wire, parseScript('S\nC CRASH\nS'));
    expect(lines.slice(1)).toEqual(['C: CRASH', 'S: [RST]', 'S: [EOF]']);
    wire.close();
  });

  it('leaves a last line without terminator visible', async () => {
    const [near, far] = duplexPair();
    far.resume();
    far.end('421 gone');
    const wire = new StreamWire(near);
    expect(await replayScript(wire, parseScript('E'))).toEqual(['S: 421 gone [no EOL]', 'S: [EOF]']);
    wire.close();
  });

  it('stops a script that goes on sending', async () => {
    const wire = await overSocket();
    wire.close();
    expect(await replayScript(wire, parseScript('C NOOP\nC NOOP'))).toEqual([
      'C: NOOP',
      '-- the connection is closed',
    ]);
  });
});

describe('STARTTLS', () => {
  it('turns the wire over to TLS', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dialogue-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const words = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
    ];
    execFileSync('openssl', [...words, '-subj', '/CN=mx.example', '-keyout', key, '-out', cert], {
      stdio: 'ignore',
    });
    const secure = { key: readFileSync(key), cert: readFileSync(cert), isServer: true };
    rmSync(folder, { recursive: true });

    const server = createServer((socket) => {
      socket.once('data', () => {
        socket.write('220 go\r\n');
        answerLines(new TLSSocket(socket, secure), '', ANSWERS);
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const wire = await connectWire((server.address() as AddressInfo).port);
    const lines = await replayScript(wire, parseScript('C STARTTLS\nT\nC NOOP\nC QUIT'));
    expect(lines).toEqual([
      'C: STARTTLS',
      'S: 220 go',
      expect.stringMatching(/^-- TLS TLSv1\.3 TLS_/),
      'C: NOOP',
      'S: 250 OK',
      'C: QUIT',
      'S: [EOF]',
    ]);
    wire.close();
  });

  it('is refused where there is no socket, and ends the script there', async () => {
    const wire = overPair();
    expect((await replayScript(wire, parseScript('S\nT\nC NOOP'))).slice(1)).toEqual([
      '-- TLS needs a socket: connect to a listening port',
    ]);
    wire.close();
  });
});
