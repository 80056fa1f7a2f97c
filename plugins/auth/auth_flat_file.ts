import {
  definePlugin,
  deny,
  ok,
  z,
  type Credentials,
  type Hook,
  type HookContext,
  type Log,
  type Verdict,
} from '../../bindings/plugin/index.ts';

const FILE = 'flat_auth_pw';
const NAME = 'auth_flat_file';

/** Passwords by user, names in lower case. A name matches as a whole: it is never a pattern. */
type Passwords = ReadonlyMap<string, string>;

/** Authenticates users listed with their passwords in clear text. */
export default definePlugin({
  name: 'auth/auth_flat_file',
  about: 'Authenticates the users of the file flat_auth_pw.',
  options: z.object({
    /** Offer SCRAM-SHA-256 too. */
    scram: z.enum(['0', '1']).default('0'),
  }),
  hooks({ config, log, options }) {
    const passwords = config.list(FILE, (lines) => readPasswords(lines, log));
    const judge: Hook<unknown, 'auth-plain'> = (context, _mechanism, credentials) =>
      compare(context, credentials, passwords.current);
    const classic = { 'auth-plain': judge, 'auth-login': judge, 'auth-cram-md5': judge };
    return options.scram === '1' ? { ...classic, 'auth-scram-sha-256': judge } : classic;
  },
});

/** `user@domain:password` on each line; the topmost line of a user counts. */
function readPasswords(lines: readonly string[], log: Log): Passwords {
  const passwords = new Map<string, string>();
  lines.forEach((line, index) => {
    const colon = line.indexOf(':');
    const user = line.slice(0, colon).toLowerCase();
    if (colon < 0 || !user.includes('@')) {
      log.warn(`entry ${index + 1} of ${FILE} matches nobody: write user@domain:password`);
    } else if (!passwords.has(user)) {
      passwords.set(user, line.slice(colon + 1));
    }
  });
  return passwords;
}

async function compare(
  { log }: HookContext,
  credentials: Credentials,
  passwords: Passwords,
): Promise<Verdict | undefined> {
  const { user } = credentials;
  if (!user.includes('@')) {
    log.info('fail: missing domain');
    return undefined;
  }
  const password = passwords.get(user.toLowerCase());
  if (password === undefined) {
    log.info(`fail: no such user: ${user}`);
    return undefined;
  }
  if (password === '') {
    log.info('fail: missing password');
    return deny(`${NAME} - no such user`);
  }
  if (await credentials.verify(password)) {
    log.info('pass');
    return ok(NAME);
  }
  log.info('fail: wrong password');
  return deny(`${NAME} - wrong password`);
}
