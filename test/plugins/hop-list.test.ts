import { expect, test } from 'vitest';
import { hopList } from '../../plugins/queue/smtp/hop-option-kinds.ts';

test.each([
  ['10.0.0.5', [{ name: '10.0.0.5' }]],
  ['mx1.example:587*3,mx2.example', [{ name: 'mx1.example', port: 587, weight: 3 }, { name: 'mx2.example' }]],
  ['[2001:db8::25]:2525', [{ name: '2001:db8::25', port: 2525 }]],
  ['unix:/run/lmtp.sock', [{ name: '/run/lmtp.sock', path: '/run/lmtp.sock' }]],
])('%s', (text, hosts) => {
  expect(hopList().parse(text)).toEqual(hosts);
});

test.each([
  '',
  ',',
  'host,',
  'host:0',
  'host:65536',
  'host:25*0',
  '2001:db8::25',
  '[10.0.0.5]',
  'unix:run/lmtp',
  'host;25',
  '-host',
  Array.from({ length: 65 }, (_, index) => `h${index}`).join(),
])('%j is refused', (text) => {
  expect(hopList().safeParse(text).success).toBe(false);
});
