// Descriptors of a client that inetd, xinetd or tcpserver has put on the standard streams. Nothing but SMTP may reach it: one line of
// the log, one warning of Node in the dialogue, and the client reads garbage. So descriptors 1 and 2 are led away from the client before
// anything else is loaded. ECMAScript 5, as begin.cjs: also an old Node must not tell the client that it is too old.
'use strict';

var fs = require('fs');

/** The argument of a listener on descriptor 0: a connection, or the listening socket of a wait-mode inetd. */
var ON_STDIN = /^(--listen=)?(stdin:|fd:0)(\s|$)/;

var client = {
  /** There is a client, or a listening socket, on descriptor 0. */
  isThere: false,
  /** The descriptor that leads to the client; 0: the same socket both ways. */
  output: 0,
  /** The standard error stream was the client's, and leads nowhere now. */
  isErrorHidden: false,
};
var isDone = false;

function isOnStdin(arg) {
  return ON_STDIN.test(arg);
}

function statOf(fd) {
  try {
    return fs.fstatSync(fd);
  } catch (error) {
    return undefined;
  }
}

function isSame(a, b) {
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

/** The system gives the lowest number that is free, which is the one just closed. */
function leadAway(fd, file) {
  fs.closeSync(fd);
  try {
    fs.openSync(file, 'a');
  } catch (error) {
    fs.openSync('/dev/null', 'a');
  }
}

/** `args`: those of the program. Without any, and with a client there, the program serves that client. Done once. */
function protect(args, environment) {
  if (isDone || (args.length > 0 && !args.some(isOnStdin))) return client;
  var input = statOf(0);
  var isPipe = input !== undefined && input.isFIFO() && environment.TCPREMOTEIP !== undefined;
  if (input === undefined || !(input.isSocket() || isPipe)) return client;
  isDone = client.isThere = true;
  var output = statOf(1);
  var errors = statOf(2);
  if (isSame(input, output)) leadAway(1, '/dev/null');
  else if (output !== undefined && output.isFIFO()) {
    client.output = fs.openSync('/proc/self/fd/1', 'a');
    leadAway(1, '/dev/null');
  } else if (isPipe || (output !== undefined && output.isSocket())) client.output = 1;
  // Closed, or led to a file: a socket goes both ways.
  if (isSame(errors, input) || isSame(errors, output)) {
    client.isErrorHidden = environment.QPSMTPD_STDERR === undefined;
    leadAway(2, environment.QPSMTPD_STDERR || '/dev/null');
  }
  return client;
}

module.exports = { client: client, protect: protect };
