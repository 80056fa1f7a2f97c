/** Opens files until the process has no descriptor left, and asks for a list it has not read before. */

import { closeSync, openSync } from 'node:fs';

const held = [];

export default {
  name: 'hoarder',
  about: 'Takes all file descriptors.',
  onError: 'skip',
  hooks: {
    noop() {
      try {
        for (;;) held.push(openSync('/dev/null', 'r'));
      } catch {
        return undefined;
      }
    },
    vrfy() {
      for (const file of held.splice(0)) closeSync(file);
    },
    rcpt({ config }) {
      config.lines('never_read_before');
    },
  },
};
