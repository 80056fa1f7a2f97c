/** AUTH of the facade: PLAIN, LOGIN, XOAUTH2 and CRAM-MD5, read as leniently as smtp-server does. RFC 4954. */

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { STOP, type Progress } from '../session/steps.ts';
import { answered } from './answered.ts';
import { isSupported, wordsOf } from './commands.ts';
import type { SMTPConnection } from './connection.ts';
import { hasControls } from './replies.ts';
import type { SMTPServerAuthentication, SMTPServerAuthenticationResponse, SMTPServerError } from './types.ts';

/** `args` follow the name of the mechanism. */
type Mechanism = (connection: SMTPConnection, args: readonly string[]) => Progress;

const mechanisms: ReadonlyMap<string, Mechanism> = new Map<string, Mechanism>([
  ['PLAIN', withToken('Error: syntax: AUTH PLAIN token', '', takePlain)],
  ['LOGIN', withToken('Error: syntax: AUTH LOGIN', 'VXNlcm5hbWU6', takeUser)],
  ['XOAUTH2', withToken('Error: syntax: AUTH XOAUTH2 token', '', takeBearer)],
  ['CRAM-MD5', cramMd5],
]);

export function auth(connection: SMTPConnection, line: string): Progress {
  const { server, secure, session } = connection;
  const { options } = server;
  const [, method = '', ...args] = wordsOf(line);
  const name = method.toUpperCase();
  const mustSecure = isSupported(connection, 'STARTTLS') && options.hideSTARTTLS !== true;
  if (!secure && mustSecure && options.allowInsecureAuth !== true)
    return connection.send(538, 'Error: Must issue a STARTTLS command first');
  if (session.user) return connection.send(503, 'Error: No identity changes permitted');
  const mechanism = options.authMethods.includes(name) ? mechanisms.get(name) : undefined;
  if (mechanism === undefined) return connection.send(504, 'Error: Unrecognized authentication type');
  return mechanism(connection, args);
}

/** A mechanism that begins with something of the client's, which may stand in the command. */
function withToken(
  syntax: string,
  challenge: string,
  take: (connection: SMTPConnection, token: string) => Progress,
): Mechanism {
  return (connection, args) => {
    if (args.length > 1) return connection.send(501, syntax);
    const [token] = args;
    if (token !== undefined) return take(connection, token);
    return challenged(connection, challenge, take);
  };
}

/** The client's next line is its response; `*` gives up. */
function challenged(
  connection: SMTPConnection,
  challenge: string,
  take: (connection: SMTPConnection, response: string) => Progress,
): Progress {
  connection.nextLine = (line) => {
    const response = line.trim();
    return response === '*' ? connection.send(501, 'Authentication aborted') : take(connection, response);
  };
  return connection.send(334, challenge);
}

const decoded = (text: string): string => Buffer.from(text, 'base64').toString();

const invalid = (connection: SMTPConnection): Progress => connection.send(501, 'Error: invalid userdata');

/** RFC 4616 section 2. Many clients send the user as the identity to act for, and no other. */
function takePlain(connection: SMTPConnection, token: string): Progress {
  const [authzid = '', authcid = '', password, ...more] = decoded(token).split('\0');
  if (password === undefined || more.length > 0) return invalid(connection);
  const username = authcid || authzid;
  if (hasControls(username) || hasControls(authzid)) return invalid(connection);
  return judge(connection, { method: 'PLAIN', username, authcid, authzid, password });
}

function takeUser(connection: SMTPConnection, token: string): Progress {
  const username = decoded(token);
  if (username === '') return connection.send(501, 'Error: missing username');
  if (hasControls(username)) return invalid(connection);
  return challenged(connection, 'UGFzc3dvcmQ6', (_, response) =>
    judge(connection, { method: 'LOGIN', username, password: decoded(response) }),
  );
}

/** `user=NAME ^A auth=Bearer TOKEN ^A ^A`. */
function takeBearer(connection: SMTPConnection, token: string): Progress {
  let username = '';
  let accessToken = '';
  for (const field of decoded(token).split('\u0001')) {
    const equals = field.indexOf('=');
    const key = field.slice(0, Math.max(equals, 0)).toLowerCase();
    const value = field.slice(equals + 1).trim();
    if (key === 'user') username = value;
    else if (key === 'auth') accessToken = /^bearer\s+(.+)$/i.exec(value)?.[1]?.replace(/\s+/g, ' ') ?? '';
  }
  if (username === '' || accessToken === '' || hasControls(username)) return invalid(connection);
  return judge(connection, { method: 'XOAUTH2', username, accessToken });
}

/** RFC 2195. */
function cramMd5(connection: SMTPConnection, args: readonly string[]): Progress {
  if (args.length > 0) return connection.send(501, 'Error: syntax: AUTH CRAM-MD5');
  const seconds = Math.floor(Date.now() / 1_000);
  const challenge = `<${randomBytes(16).toString('hex')}.${seconds}@${connection.name}>`;
  return challenged(connection, Buffer.from(challenge).toString('base64'), (_, response) => {
    const [username = '', digest = ''] = decoded(response).split(' ');
    if (hasControls(username)) return invalid(connection);
    const challengeResponse = digest.toLowerCase();
    const validatePassword = (password: string): boolean => {
      const expected = Buffer.from(createHmac('md5', password).update(challenge).digest('hex'));
      const given = Buffer.from(challengeResponse);
      return expected.length === given.length && timingSafeEqual(expected, given);
    };
    return judge(connection, {
      method: 'CRAM-MD5',
      username,
      challenge,
      challengeResponse,
      validatePassword,
    });
  });
}

type Given = Omit<SMTPServerAuthentication, 'validatePassword'> &
  Partial<Pick<SMTPServerAuthentication, 'validatePassword'>>;

/** `settle` gets an error, or what the program answered, and whether it has named a user. */
export function askAuth(
  connection: SMTPConnection,
  given: Given,
  settle: (
    error: SMTPServerError | undefined,
    response: SMTPServerAuthenticationResponse | undefined,
  ) => Progress,
): Progress {
  const { server, session } = connection;
  const { method, username: user } = given;
  // Other methods have none, as in smtp-server; the type says that it is always there.
  const asked = given as SMTPServerAuthentication;
  const entry = { cid: connection.id, method, user };
  return answered<[error?: Error | null, response?: SMTPServerAuthenticationResponse]>(
    connection,
    (callback) => server.onAuth(asked, session, callback),
    (err, response) => {
      if (err) {
        const text = 'Authentication error for %s using %s. %s';
        server.logger.info({ err, tnx: 'autherror', ...entry }, text, user, method, err.message);
      } else if (response?.user) {
        server.logger.info({ tnx: 'auth', ...entry }, '%s authenticated using %s', user, method);
        session.user = response.user;
        session.transmissionType = connection.transmissionType;
      } else if (response !== undefined || method !== 'XCLIENT') {
        server.logger.info(
          { tnx: 'authfail', ...entry },
          'Authentication failed for %s using %s',
          user,
          method,
        );
      } else {
        server.logger.info(
          { tnx: 'authskip', ...entry },
          'Authentication skipped for %s using %s',
          user,
          method,
        );
      }
      return settle(err ?? undefined, response);
    },
  );
}

function judge(connection: SMTPConnection, given: Given): Progress {
  return askAuth(connection, given, (error, response = {}) => {
    if (error !== undefined) return connection.send(error.responseCode || 535, error.message);
    if (response.user) return connection.send(235, 'Authentication successful');
    const { responseCode, message, data = {} } = response;
    if (given.method !== 'XOAUTH2')
      return connection.send(responseCode || 535, message || 'Error: Authentication credentials invalid');
    // The client answers the error with an empty line.
    connection.nextLine = () => connection.send(535, 'Error: Username and Password not accepted');
    connection.send(responseCode || 334, Buffer.from(JSON.stringify(data)).toString('base64'));
    return STOP;
  });
}
