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

module.exports = function begin(program) {
  var complaint = complaintAbout(process.versions.node, require('../package.json').engines.node);
  if (complaint === undefined) {
    require('./load.cjs')('../dist/host/cli/' + program + '.js');
    return;
  }
  process.stderr.write(complaint + ' (' + process.execPath + ')\n');
  process.exit(NODE_TOO_OLD);
};
module.exports.complaintAbout = complaintAbout;
