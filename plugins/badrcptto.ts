import { AddressList } from '../bindings/lists/index.ts';
import { definePlugin, deny, dsn, pass, skip } from '../bindings/plugin/index.ts';

/** Refuses forward-paths an operator has listed. RFC 5321 section 7.9. */
export default definePlugin({
  name: 'badrcptto',
  about: 'Refuses recipients listed in the file badrcptto.',
  skipsImmune: true,
  hooks({ config, log }) {
    const list = config.list('badrcptto', (lines) => new AddressList(lines, { ignoreCase: true, log }));
    return {
      rcpt(context, forwardPath) {
        const unwanted = list.current;
        if (unwanted.isEmpty) return skip('empty list');
        if (forwardPath.localPart === '' || forwardPath.domain === '') return skip('missing host or user');
        const hit = unwanted.find(forwardPath);
        if (hit === undefined) return pass();
        context.adjustKarma(-2);
        context.log.info(`fail, ${hit.entry}`);
        return hit.text === undefined
          ? dsn.noSuchUser(`mail to ${hit.entry} not accepted here`)
          : deny(hit.text);
      },
    };
  },
});
