/** `qpsmtpd/smtp-server`: the API of nodemailer's smtp-server on this server's engine. */
import { SMTPServer } from './smtp-server.ts';

export { SMTPServer };
export type { SMTPConnection } from './connection.ts';
export type {
  SMTPServerAddress,
  SMTPServerAddressArgs,
  SMTPServerAuthentication,
  SMTPServerAuthenticationMethod,
  SMTPServerAuthenticationResponse,
  SMTPServerConnectionInfo,
  SMTPServerDataResult,
  SMTPServerDataStream,
  SMTPServerEnvelope,
  SMTPServerEnvelopeDSN,
  SMTPServerError,
  SMTPServerEvents,
  SMTPServerLogger,
  SMTPServerOptions,
  SMTPServerRecipientDSN,
  SMTPServerResolver,
  SMTPServerSession,
} from './types.ts';
// As with smtp-server, whose default import is what `require` gives.
export default { SMTPServer };
