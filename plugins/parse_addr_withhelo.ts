import { definePlugin, deny, ok, type Answer, type HookContext } from '../bindings/plugin/index.ts';

/** Holds clients that said HELO to the RFC of their time: no parameters in MAIL and RCPT. RFC 821 section 4.1.2. */
export default definePlugin({
  name: 'parse_addr_withhelo',
  about: 'Refuses parameters of MAIL and RCPT from clients that said HELO.',
  hooks: {
    mail_parse: (context, line) => (saidHelo(context) ? parse('MAIL', line) : undefined),
    rcpt_parse: (context, line) => (saidHelo(context) ? parse('RCPT', line) : undefined),
  },
});

const saidHelo = ({ connection }: HookContext): boolean => connection.hello === 'helo';

function parse(verb: 'MAIL' | 'RCPT', line: string): Answer {
  const rest = /^(?:from|to):(.*)$/is.exec(line)?.[1]?.trim();
  const isRightPrefix = line.toLowerCase().startsWith(verb === 'MAIL' ? 'from:' : 'to:');
  if (rest === undefined || !isRightPrefix) return deny('Syntax error in command');
  const end = rest.lastIndexOf('>');
  if (rest.startsWith('<') && end > 0) {
    return end === rest.length - 1 ? ok(rest) : deny(`No parameters allowed in ${verb}`);
  }
  if (rest.includes('@')) {
    return /\s/.test(rest.slice(rest.indexOf('@'))) ? deny(`No parameters allowed in ${verb}`) : ok(rest);
  }
  if (verb === 'MAIL') return rest === '' ? ok('<>') : deny('Could not parse your MAIL FROM command');
  return /^(?:postmaster|abuse)$/i.test(rest) ? ok(rest) : deny('Could not parse your RCPT TO command');
}
