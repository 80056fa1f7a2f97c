// Runs nodemailer's smtp-server as a sink. Usage: smtp-server.mjs ENTRY PORT DOMAIN [KEY CERT]
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [entry, port, domain, key, cert] = process.argv.slice(2);
const { SMTPServer } = await import(pathToFileURL(entry).href);
const here = `@${domain}`;

new SMTPServer({
  disabledCommands: key ? ['AUTH'] : ['AUTH', 'STARTTLS'],
  ...(key ? { key: readFileSync(key), cert: readFileSync(cert) } : {}),
  disableReverseLookup: true,
  authOptional: true,
  logger: false,
  onRcptTo({ address }, _session, done) {
    if (address.endsWith(here)) return done();
    done(Object.assign(new Error('not here'), { responseCode: 550 }));
  },
  onData(stream, _session, done) {
    stream.resume();
    stream.on('end', done);
  },
}).listen({ port: Number(port), host: '127.0.0.1', backlog: 1024 });
