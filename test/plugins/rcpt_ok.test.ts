import { expect, test } from 'vitest';
import { testPlugin, printVerdict } from '../../host/testing/index.ts';
import { whitelistHost, whitelistSender } from '../../bindings/plugin/index.ts';
import rcptOk from '../../plugins/rcpt_ok.ts';

const setting = {
  config: { me: 'MX.example', rcpthosts: ['Example.ORG', '.sub.example', 'trailing.example   text'] },
  databases: { morercpthosts: { 'more.example': '', '.wide.example': '' } },
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
  const { ask } = testPlugin(rcptOk, setting);
  expect(printVerdict(await ask('rcpt', path))).toBe(answer);
});

test('rcpt_ok relays for relay clients and welcome hosts', async () => {
  for (const welcome of ['relay', 'host']) {
    const { ask, session } = testPlugin(rcptOk, setting);
    if (welcome === 'relay') session.connection.relayClient = true;
    else session.connection.notes.set(whitelistHost, true);
    expect(printVerdict(await ask('rcpt', '<a@other.example>')), welcome).toBe('OK');
  }
});

test('rcpt_ok does not relay for a welcome sender, whose name anyone can write into MAIL', async () => {
  const { ask, session } = testPlugin(rcptOk, setting);
  session.transaction.notes.set(whitelistSender, true);
  expect(printVerdict(await ask('rcpt', '<a@other.example>'))).toBe(DENIED);
  expect(printVerdict(await ask('rcpt', '<a@example.org>'))).toBe('OK');
});

test('rcpt_ok without any list accepts for its own name alone', async () => {
  const { ask } = testPlugin(rcptOk);
  expect(printVerdict(await ask('rcpt', '<a@mx.example>'))).toBe('OK');
  expect(printVerdict(await ask('rcpt', '<a@example>'))).toBe(DENIED);
});
