import { definePlugin, ok, z, type Address } from '../bindings/plugin/index.ts';

/** A user's list is read for each recipient: a large one would be a way to slow the server down. */
const MAX_OCTETS = 65_536;

/** Reads the configuration of users from files of their own. */
export default definePlugin({
  name: 'user_config',
  about: 'Reads per-user configuration from a directory for each user.',
  options: z.object({ pattern: z.string().default('/home/%u/.qpsmtpd') }),
  positional: ['pattern'],
  hooks: {
    async user_config({ log, options, services }, address, name) {
      const directory = directoryOf(options.pattern, address);
      if (directory === undefined || !isPlainName(name)) return undefined;
      const path = `${directory}/${name}`;
      try {
        const text = await services.files.read(path, { maxOctets: MAX_OCTETS });
        return text === undefined ? undefined : ok(text.replace(/\r?\n$/, ''));
      } catch (cause) {
        log.notice(`Couldn't open ${path}: ${String(cause)}`);
        return undefined;
      }
    },
  },
});

/**
 * The pattern with %u (local part), %h (domain) and %a (the whole address) filled in. Undefined for an address with a
 * slash or dots alone: a client could read files anywhere with `RCPT TO:<"../../etc"@host>`.
 */
function directoryOf(pattern: string, { domain, localPart, mailbox }: Address): string | undefined {
  const words = { '%u': localPart, '%h': domain, '%a': mailbox };
  const used = Object.entries(words).filter(([key]) => pattern.includes(key));
  if (!used.every(([, word]) => isPlainName(word))) return undefined;
  return pattern.replace(/%[uha]/g, (key) => words[key as keyof typeof words]);
}

const isPlainName = (word: string): boolean => word !== '' && !/^\.+$/.test(word) && !/[/\u0000]/.test(word);
