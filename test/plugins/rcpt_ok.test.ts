import { expect, test } from 'vitest';
import { whitelistHost, whitelistSender } from '../../bindings/plugin/index.ts';
import rcptOk from '../../plugins/rcpt_ok.ts';
import { address, given, NO_PARAMETERS, words } from './plugin-context.ts';

const setting = {
  me: 'MX.example',
  files: { rcpthosts: ['Example.ORG', '.sub.example', 'trailing.example   text'] },
  maps: { morercpthosts: { 'more.example': '', '.wide.example': '' } },
};
const DENIED = 'DENY Relaying denied (#7.1)';

test.each([
  ['<a@mx.example>', 'OK'],
  ['<a@EXAMPLE.org>', 'OK'],
  ['<a@sub.example>', DENIED],
  ['<a@b.sub.example>', 'OK'],
  ['<a@c.b.SUB.example>', 'OK'],
  ['<a@notsub.example>', DENIED],
  ['<a@x.example.org>', DENIED],
  ['<a@trailing.example>', 'OK'],
  ['<a@more.example>', 'OK'],
  ['<a@x.wide.example>', 'OK'],
  ['<a@wide.example>', DENIED],
  ['<postmaster>', 'OK'],
  ['<a@other.example>', DENIED],
  ['<a@org>', DENIED],
])('rcpt_ok: %s is answered with %s', async (path, answer) => {
  const { ask } = given(rcptOk, setting);
  expect(words(await ask('rcpt', address(path), NO_PARAMETERS))).toBe(answer);
});

test('rcpt_ok relays for relay clients and welcome hosts', async () => {
  for (const welcome of ['relay', 'host']) {
    const { ask, session } = given(rcptOk, setting);
    if (welcome === 'relay') session.connection.relayClient = true;
    else session.connection.notes.set(whitelistHost, true);
    expect(words(await ask('rcpt', address('<a@other.example>'), NO_PARAMETERS)), welcome).toBe('OK');
  }
});

test('rcpt_ok does not relay for a welcome sender, whose name anyone can write into MAIL', async () => {
  const { ask, session } = given(rcptOk, setting);
  session.transaction.notes.set(whitelistSender, true);
  expect(words(await ask('rcpt', address('<a@other.example>'), NO_PARAMETERS))).toBe(DENIED);
  expect(words(await ask('rcpt', address('<a@example.org>'), NO_PARAMETERS))).toBe('OK');
});

test('rcpt_ok without any list accepts for its own name alone', async () => {
  const { ask } = given(rcptOk);
  expect(words(await ask('rcpt', address('<a@mx.example>'), NO_PARAMETERS))).toBe('OK');
  expect(words(await ask('rcpt', address('<a@example>'), NO_PARAMETERS))).toBe(DENIED);
});
