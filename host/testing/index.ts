/** The test kit for plugin authors: a server without a port, and a client to talk to it. */
export { TestClient } from './test-client.ts';
export { TestServer, type TestServerOptions } from './test-server.ts';
export { parseDialogue, playDialogue, type Dialogue, type DialogueLine, type Mismatch } from './dialogue.ts';
export {
  FakeResolver,
  fakeResolver,
  type FakeDnsClock,
  type FakeDnsFault,
  type FakeDnsName,
  type FakeDnsZones,
} from './fake-resolver.ts';
