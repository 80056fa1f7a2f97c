/** SPF by mailauth: RFC 7208. */

export { spf, type SPFOptions, type SPFResult } from 'mailauth/lib/spf/index.js';
