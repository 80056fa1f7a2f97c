import { definePlugin, LogLevel, logLevel, parseLogLevel, z } from '../../bindings/plugin/index.ts';

/** RFC 5424 section 6.2.1, by the names of syslog(3). */
const FACILITIES =
  'KERN USER MAIL DAEMON AUTH SYSLOG LPR NEWS UUCP CRON AUTHPRIV FTP NTP AUDIT CONSOLE CRON2 LOCAL0 LOCAL1 LOCAL2 LOCAL3 LOCAL4 LOCAL5 LOCAL6 LOCAL7'.split(
    ' ',
  );
const SYNONYMS: Readonly<Record<string, string>> = { ERR: 'ERROR', WARNING: 'WARN', PANIC: 'EMERG' };

/** `LOG_MAIL`, `mail`. */
const facility = z.string().transform((text, context): number => {
  const number = FACILITIES.indexOf(text.toUpperCase().replace(/^LOG_/, ''));
  if (number >= 0) return number;
  context.addIssue({ code: 'custom', message: 'must be a facility of syslog such as LOG_MAIL' });
  return z.NEVER;
});

/** `LOG_NOTICE`, `LOGNOTICE`, `notice`, `5`. */
const priority = z.string().transform((text, context): LogLevel => {
  const name = text.toUpperCase().replace(/^LOG_?/, '');
  const level = parseLogLevel(SYNONYMS[name] ?? name);
  if (level !== undefined) return level;
  context.addIssue({ code: 'custom', message: 'must be a priority of syslog such as LOG_NOTICE' });
  return z.NEVER;
});

/** Hands the log to syslog; levels are syslog's severities. */
export default definePlugin({
  name: 'logging/syslog',
  about: 'Writes log lines up to a level (LOGWARN) to syslog.',
  options: z.object({
    loglevel: logLevel().default(LogLevel.WARN),
    priority: priority.optional(),
    ident: z
      .string()
      .regex(/^[\w.-]{1,48}$/, 'must be letters, digits, `_`, `.` and `-`')
      .default('qpsmtpd'),
    facility: facility.default(FACILITIES.indexOf('MAIL')),
    logsock: z.string().default('unix'),
  }),
  logsUpTo: ({ loglevel }) => loglevel,
  hooks({ options, services }) {
    const { ident, facility, logsock, priority } = options;
    const syslog = services.logs.syslog({ ident, facility, sockets: logsock.split(',') });
    return {
      logging(_, { level, text }) {
        syslog.write(text, priority ?? level);
      },
    };
  },
});
