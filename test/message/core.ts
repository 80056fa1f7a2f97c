/** The core the tests of messages run on: the one `QPSMTPD_CORE` asks for, as in the daemon. */

import { loadCore } from '../../bindings/core.ts';

export const { core } = loadCore();
