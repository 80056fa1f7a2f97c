import { expect, test } from 'vitest';
import { namesAuthority } from '../../host/message/authentication-results.ts';

/** RFC 5890 section 2.3.2.1. */
const SPELLINGS = ['bücher.example', 'xn--bcher-kva.example', 'XN--Bcher-KVA.Example', 'BÜCHER.example.'];

test('an Authentication-Results field claims to be ours in every spelling', () => {
  for (const id of [...SPELLINGS, '"bücher.example"'])
    expect(namesAuthority(`${id}; spf=pass`, 'xn--bcher-kva.example'), id).toBe(true);
  expect(namesAuthority('other.example; spf=pass', 'xn--bcher-kva.example')).toBe(false);
});
