// The programs begin here, in JavaScript that every Node can read: the rest is too new for an old one, which would answer
// even --help with a syntax error and a stack. Nothing newer than ECMAScript 5, and no import(), which old parsers refuse.
'use strict';

// EX_UNAVAILABLE of sysexits.
var NODE_TOO_OLD = 69;

/** What is wrong with Node `version`, undefined if nothing: `engines` is `>=MAJOR.MINOR`. */
function complaintAbout(version, engines) {
  var least = engines.replace('>=', '').split('.').map(Number);
  var given = version.split('.').map(Number);
  if (given[0] > least[0] || (given[0] === least[0] && given[1] >= least[1])) return undefined;
  return 'qpsmtpd needs Node ' + least.join('.') + ' or newer, this is ' + version;
}

// EX_OSERR of sysexits.
var TOO_FEW_FILES = 71;
// Fewer are not enough to load the program: it would end with EMFILE, at whatever file comes first.
var LEAST_FILES = 128;

/** What is wrong with the limits, in the form of /proc/self/limits; undefined if nothing. */
function complaintAboutFiles(limits) {
  var found = /^Max open files +([0-9]+)/m.exec(limits);
  if (found === null || Number(found[1]) >= LEAST_FILES) return undefined;
  return (
    'qpsmtpd needs ' +
    LEAST_FILES +
    ' open files at least, and may have ' +
    found[1] +
    ' (ulimit -n, LimitNOFILE)'
  );
}

/** Empty where the system has no such file. */
function readLimits() {
  var fs = require('fs');
  return fs.existsSync('/proc/self/limits') ? fs.readFileSync('/proc/self/limits', 'ascii') : '';
}

module.exports = function begin(program) {
  var complaint = complaintAbout(process.versions.node, require('../package.json').engines.node);
  var fileComplaint = complaintAboutFiles(readLimits());
  if (complaint === undefined && fileComplaint !== undefined) {
    process.stderr.write(fileComplaint + '\n');
    process.exit(TOO_FEW_FILES);
  }
  if (complaint === undefined) {
    require('./load.cjs')('../dist/host/cli/' + program + '.js');
    return;
  }
  process.stderr.write(complaint + ' (' + process.execPath + ')\n');
  process.exit(NODE_TOO_OLD);
};
module.exports.complaintAbout = complaintAbout;
module.exports.complaintAboutFiles = complaintAboutFiles;
