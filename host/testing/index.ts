/** The test kit for plugin authors: one plugin asked by hand, a whole server without a port, and a world in memory around both. */
export { DigestCredentials, PasswordCredentials } from '../auth/credentials.ts';
export { parseDialogue, playDialogue, type Dialogue, type DialogueLine, type Mismatch } from './dialogue.ts';
export type { ConfigFile, ConfigFiles } from '../config/given-files.ts';
export { MemoryConfig, type ConfigDatabases } from './memory-config.ts';
export {
  answeringDaemon,
  dyingDaemon,
  MemoryDaemons,
  silentDaemon,
  type Daemon,
  type DaemonConnection,
} from './memory-daemons.ts';
export { MemoryFiles } from './memory-files.ts';
export { MemoryLogs, type MemoryLogsOptions, type SyslogLine } from './memory-logs.ts';
export { memoryPair } from './memory-pair.ts';
export { MemoryPrograms, type Program, type ProgramAnswer, type ProgramCall } from './memory-programs.ts';
export { MemoryStores } from './memory-store.ts';
export { MemoryWeb, type Page, type PageAnswer } from './memory-web.ts';
export { randomNumbers, type RandomNumbers } from './random-numbers.ts';
export { TestClient } from './test-client.ts';
export { TestClock } from './test-clock.ts';
export type { SystemFacts, TestEnvironment } from './test-environment.ts';
export { TestServer, type TestServerClient, type TestServerOptions } from './test-server.ts';
export {
  address,
  NO_PARAMETERS,
  storedMessage,
  TestSession,
  type AskArguments,
  type ClientFacts,
  type TestConnection,
  type TestMail,
} from './test-session.ts';
export { printVerdict, TestedPlugin, testPlugin, type TestPluginOptions } from './tested-plugin.ts';
export {
  FakeResolver,
  fakeResolver,
  type FakeDnsClock,
  type FakeDnsFault,
  type FakeDnsName,
  type FakeDnsZones,
} from './fake-resolver.ts';
