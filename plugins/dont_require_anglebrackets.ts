import { definePlugin, ok, type HookContext, type Verdict } from '../bindings/plugin/index.ts';

/** Accepts `MAIL FROM:user@host` and `RCPT TO:user@host`, which RFC 5321 section 4.1.2 does not allow. */
export default definePlugin({
  name: 'dont_require_anglebrackets',
  about: 'Accepts addresses without <> in MAIL and RCPT.',
  hooks: { mail_pre: enclose, rcpt_pre: enclose },
});

/** Nothing at all is no address: made into `<>`, it would pass for the sender of a bounce. */
function enclose({ adjustKarma }: HookContext, path: string): Verdict | undefined {
  if (path.trim() === '') return undefined;
  if (path.startsWith('<') && path.endsWith('>')) return ok(path);
  adjustKarma(-2);
  return ok(`<${path}>`);
}
