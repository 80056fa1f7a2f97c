import { AddressList } from '../bindings/lists/index.ts';
import { definePlugin, fail, pass, skip } from '../bindings/plugin/index.ts';

/** Refuses reverse-paths an operator has listed. RFC 5321 section 7.9. */
export default definePlugin({
  name: 'badmailfrom',
  about: 'Refuses senders listed in the file badmailfrom.',
  rejects: { reject: '1' },
  onError: 'defer',
  skipsImmune: true,
  hooks({ config, log }) {
    const list = config.list('badmailfrom', (lines) => new AddressList(lines, { log }));
    return {
      mail(context, reversePath) {
        const unwanted = list.current;
        if (unwanted.isEmpty) return skip('empty list');
        if (reversePath.isNull) return skip('null sender');
        if (reversePath.localPart === '' || reversePath.domain === '') return skip('missing user or host');
        const hit = unwanted.find(reversePath);
        if (hit === undefined) return pass();
        context.adjustKarma(-1);
        return fail(hit.text ?? 'Your envelope sender is in my badmailfrom list');
      },
    };
  },
});
