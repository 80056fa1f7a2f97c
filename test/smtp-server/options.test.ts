/** Every option that smtp-server documents or looks at, by the test that holds the facade to it. */

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const THEIRS = join(ROOT, 'node_modules/smtp-server');
const GUIDE = readFileSync(join(ROOT, 'docs/guide/smtp-server.md'), 'utf8');

/** The same dialogues with both, and what the facade does otherwise. */
const PROGRAM = 'twin-program.test.ts';
const SECURITY = 'twin-security.test.ts';
const DIALOGUE = 'twin-dialogue.test.ts';
const FACADE = 'facade.test.ts';

/** The file, and the name of the test or of its row. */
const TESTS: Readonly<Record<string, readonly [file: string, name: string]>> = {
  secure: [SECURITY, 'at once'],
  secured: [SECURITY, 'in front of the server'],
  name: [PROGRAM, 'name'],
  banner: [PROGRAM, 'banner'],
  heloResponse: [PROGRAM, 'heloResponse'],
  size: [PROGRAM, 'size'],
  hideSize: [PROGRAM, 'hideSize'],
  rejectOversized: [PROGRAM, 'rejectOversized'],
  authMethods: [SECURITY, 'CRAM-MD5 with the password %s'],
  authOptional: [SECURITY, 'optional'],
  authRequiredMessage: [SECURITY, 'with a message of its own'],
  disabledCommands: [PROGRAM, 'disabledCommands'],
  hideSTARTTLS: [PROGRAM, 'hideSTARTTLS'],
  hidePIPELINING: [PROGRAM, 'hidePIPELINING'],
  hide8BITMIME: [PROGRAM, 'hide8BITMIME'],
  hideSMTPUTF8: [PROGRAM, 'hideSMTPUTF8'],
  hideENHANCEDSTATUSCODES: [PROGRAM, 'hideENHANCEDSTATUSCODES: false'],
  hideDSN: [PROGRAM, 'hideDSN: false'],
  hideREQUIRETLS: [SECURITY, 'by STARTTLS, after which the client begins again'],
  allowInsecureAuth: [SECURITY, 'in the clear, where it is allowed'],
  disableReverseLookup: [PROGRAM, 'resolver with %s'],
  resolver: [PROGRAM, 'resolver with %s'],
  sniOptions: [FACADE, 'go by the name the client asks for, and can be changed'],
  needsUpgrade: [FACADE, 'needsUpgrade: the handshake is the first step of a session'],
  logger: [FACADE, 'logs to the console if it is told to'],
  component: [PROGRAM, 'component'],
  maxClients: [PROGRAM, 'maxClients'],
  useProxy: [SECURITY, 'from everybody'],
  ignoredHosts: [SECURITY, 'of a host that is not logged'],
  useXClient: [SECURITY, 'from an address that may'],
  useXForward: [SECURITY, 'from an address that may not'],
  lmtp: [PROGRAM, 'lmtp'],
  socketTimeout: [PROGRAM, 'of a client that keeps silent'],
  closeTimeout: [PROGRAM, 'of the server, when closeTimeout is over'],
  maxAllowedUnauthenticatedCommands: [SECURITY, 'with a limit of commands'],
  maxCommandLength: [PROGRAM, 'maxCommandLength'],
  maxRecipients: [PROGRAM, 'maxRecipients'],
  lenientAddressParsing: [DIALOGUE, 'that are hardly looked at'],
  onAuth: [SECURITY, 'refused by an error'],
  onConnect: [PROGRAM, 'onConnect'],
  onSecure: [SECURITY, 'refused by %s'],
  onMailFrom: [PROGRAM, 'onMailFrom'],
  onRcptTo: [PROGRAM, 'onRcptTo'],
  onData: [PROGRAM, 'onData with %s'],
  onClose: [PROGRAM, 'onClose'],
  // Those of TLS that it looks at itself; the others it hands to OpenSSL, as we do.
  SNICallback: [FACADE, 'go by SNICallback, which may answer later, or fail'],
};

/** What the certificate tests have in every test, under a name of its own. */
const CERTIFICATE = ['key', 'cert', 'pfx'];

const theirFile = (name: string): string => readFileSync(join(THEIRS, name), 'utf8');

/** Members of the type that its documentation is made of. */
function typedOptions(): readonly string[] {
  const [, body = ''] =
    /interface SMTPServerOptions[^{]*\{([^]*?)\n\}/.exec(theirFile('dist/esm/types.d.ts')) ?? [];
  return [...body.matchAll(/^ {4}(\w+)\??[:(]/gm)].map(([, name]) => name!);
}

/** What its code looks at, documented or not. */
function usedOptions(): readonly string[] {
  const code = ['smtp-server.js', 'smtp-connection.js', 'sasl.js'].map((name) =>
    theirFile(`dist/esm/${name}`),
  );
  const uses = code.join('\n').matchAll(/\b(?:this|_server|server)\.options\.(\w+)/g);
  return [...uses].map(([, name]) => name!);
}

/** Members of the objects in the examples of its README. */
function exampleOptions(): readonly string[] {
  const examples = [...theirFile('README.md').matchAll(/new SMTPServer\(\{\n([^]*?)\n\}\)/g)];
  return examples.flatMap(([, body]) => [...body!.matchAll(/^ {4}(\w+)[:(]/gm)].map(([, name]) => name!));
}

/** What a row of a table, or the body of a test, has after its name. Undefined if there is no such test. */
function testText(file: string, name: string): string | undefined {
  const text = readFileSync(join(import.meta.dirname, file), 'utf8');
  const literal = name.replace(/[^\w ]/g, '\\$&');
  const [, before = '', begin, after = ''] =
    new RegExp(`^([^]*)([([])\\s*'${literal}'([^]*)$`).exec(text) ?? [];
  if (begin === '[') return after.split(/^ {2,4}(?:\[|\])/m, 1)[0];
  const [body = ''] = after.split('\n\n', 1);
  // The rows of a table stand before its name.
  return name.includes('%s') ? `${before.split('\n\n').at(-1)}${body}` : begin && body;
}

test('the documentation is that of the version the guide names', () => {
  const { version } = JSON.parse(theirFile('package.json')) as { readonly version: string };
  expect(GUIDE).toContain(`smtp-server/) ${version.split('.', 2).join('.')} `);
  expect(typedOptions().length).toBeGreaterThan(40);
  expect(usedOptions().length).toBeGreaterThan(30);
  expect(exampleOptions().length).toBeGreaterThan(5);
});

test('every option of it has a test here, and there are no others', () => {
  const all = new Set([...typedOptions(), ...usedOptions(), ...exampleOptions()]);
  for (const name of CERTIFICATE) all.delete(name);
  expect(Object.keys(TESTS).sort()).toEqual([...all].sort());
});

describe('the test of the option', () => {
  test.each(Object.entries(TESTS))('%s is there, and sets it', (option, [file, name]) => {
    expect(testText(file, name), `${file}: ${name}`).toMatch(new RegExp(`\\b${option}\\b`));
  });
});
