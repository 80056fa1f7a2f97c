import { expect, test } from 'vitest';
import { judgeDnsLists, type DnsListResult } from '../../bench/lists/dns-lists.ts';
import { spreadOf } from '../../bench/statistics.ts';

const result: DnsListResult = {
  nodeUs: spreadOf([30]),
  oursUs: spreadOf([27]),
  ratio: spreadOf([0.9]),
  packetsPerName: 1,
  joinedUs: spreadOf([0.4]),
  joinedApartUs: spreadOf([9]),
  joinedPacketsPerName: 1,
  cachedUs: spreadOf([0.4]),
  cachedPackets: 0,
};

test.each<[string, Partial<DnsListResult>, readonly boolean[]]>([
  ['all is kept', {}, [true, true, true, true]],
  ['more than Node costs', { ratio: spreadOf([1, 1.11, 1.2]) }, [false, true, true, true]],
  ['one dear round is none', { ratio: spreadOf([1, 1.1, 3]) }, [true, true, true, true]],
  ['joined', { joinedUs: spreadOf([1.01]) }, [true, false, true, true]],
  ['cached', { cachedUs: spreadOf([1.01]) }, [true, true, false, true]],
  ['a name asked twice', { packetsPerName: 1.01 }, [true, true, true, false]],
  ['a joined name asked twice', { joinedPacketsPerName: 2 }, [true, true, true, false]],
  ['a name asked again', { cachedPackets: 1 }, [true, true, true, false]],
])('lists in the DNS: %s', (_, more, kept) => {
  expect(judgeDnsLists({ ...result, ...more }).map(({ isKept }) => isKept)).toEqual(kept);
});
