import { definePlugin, denySoft, ok, z, type Address } from '../bindings/plugin/index.ts';
import { unicodeDomain } from '../bindings/wire/domain-name.ts';

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
      if (!isPlainName(name)) return undefined;
      for (const directory of directoriesOf(options.pattern, address)) {
        const path = `${directory}/${name}`;
        try {
          const text = await services.files.read(path, { maxOctets: MAX_OCTETS });
          if (text !== undefined) return ok(text.replace(/\r?\n$/, ''));
        } catch (cause) {
          log.notice(`Couldn't open ${path}: ${String(cause)}`);
          return denySoft("can't be read now");
        }
      }
      return undefined;
    },
  },
});

/** The user's directory, by A-labels and, for a domain that has any, by U-labels, however the client wrote it. */
function directoriesOf(pattern: string, { canonicalDomain: domain, localPart }: Address): readonly string[] {
  if (domain === undefined) return [];
  const directories = [domain, unicodeDomain(domain)].map((name) => directoryOf(pattern, localPart, name));
  return [...new Set(directories)].filter((directory) => directory !== undefined);
}

/**
 * The pattern with %u (local part), %h (domain) and %a (the whole address) filled in. Undefined for an address with a
 * slash or dots alone: a client could read files anywhere with `RCPT TO:<"../../etc"@host>`.
 */
function directoryOf(pattern: string, localPart: string, domain: string): string | undefined {
  const words = { '%u': localPart, '%h': domain, '%a': domain === '' ? localPart : `${localPart}@${domain}` };
  const used = Object.entries(words).filter(([key]) => pattern.includes(key));
  if (!used.every(([, word]) => isPlainName(word))) return undefined;
  return pattern.replace(/%[uha]/g, (key) => words[key as keyof typeof words]);
}

const isPlainName = (word: string): boolean => word !== '' && !/^\.+$/.test(word) && !/[/\u0000]/.test(word);
