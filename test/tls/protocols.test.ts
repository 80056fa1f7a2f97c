import { expect, test } from 'vitest';
import { parseVersions } from '../../host/settings/tls-settings.ts';

test.each([
  ['SSLv23:!SSLv2:!SSLv3', 'TLSv1.2', 'TLSv1.3'],
  ['SSLv23:!SSLv3:!SSLv2:!TLSv1:!TLSv1_1', 'TLSv1.2', 'TLSv1.3'],
  ['!SSLv3', 'TLSv1.2', 'TLSv1.3'],
  ['TLSv1_2', 'TLSv1.2', 'TLSv1.2'],
  ['tlsv12', 'TLSv1.2', 'TLSv1.2'],
  ['TLSv1_3', 'TLSv1.3', 'TLSv1.3'],
  ['TLSv1_2:TLSv1_3', 'TLSv1.2', 'TLSv1.3'],
  ['SSLv23:!TLSv1_3', 'TLSv1.2', 'TLSv1.2'],
])('tls_protocols %s is %s to %s', (text, minimum, maximum) => {
  expect(parseVersions(text)).toEqual({ minimum, maximum });
});

test.each(['SSLv3', 'TLSv1', 'TLSv1_1:TLSv1_2', 'SSLv2'])(
  '%s asks for what RFC 8996 and 7568 forbid',
  (text) => {
    expect(() => parseVersions(text)).toThrow(/can be broken/);
  },
);

test.each([
  ['TLSv1_4', /no version of TLS/],
  ['!SSLv23', /no version of TLS/],
  ['SSLv23:!TLSv1_2:!TLSv1_3', /leaves no version/],
])('%s is refused', (text, message) => {
  expect(() => parseVersions(text)).toThrow(message);
});
