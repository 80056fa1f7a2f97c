/** nginx with its modules for streams and mail, in one process, and a server that its mail module asks where to connect. */

import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FrontedDaemon } from './fronted-daemon.ts';

const MODULES = '/usr/lib/nginx/modules';

/** `sections` stand beside `events`; what they listen on can be connected to soon. Ended with the daemon. */
export function startNginx(daemon: FrontedDaemon, sections: string): { said(): string } {
  const folder = join(daemon.folder, 'nginx');
  mkdirSync(folder);
  const config = join(folder, 'nginx.conf');
  const head = [
    `load_module ${MODULES}/ngx_stream_module.so;`,
    `load_module ${MODULES}/ngx_mail_module.so;`,
    'daemon off;',
    'master_process off;',
    `pid ${folder}/pid;`,
    'error_log stderr notice;',
    'events {}',
  ];
  writeFileSync(config, `${[...head, sections].join('\n')}\n`);
  return daemon.run('nginx', ['-p', folder, '-e', 'stderr', '-c', config]);
}

export type Answer = Readonly<Record<string, string>>;

/** Answers nginx by `answer`; `asked` holds the headers of all that it was asked. */
export async function startAuthServer(
  daemon: FrontedDaemon,
  answer: (asked: IncomingHttpHeaders) => Answer,
): Promise<{ readonly port: number; readonly asked: IncomingHttpHeaders[] }> {
  const asked: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers);
    response.writeHead(200, answer(request.headers)).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  daemon.atEnd(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, asked };
}
