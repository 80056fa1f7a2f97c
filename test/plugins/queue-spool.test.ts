import { expect, test } from 'vitest';
import { testPlugin, address } from '../../host/testing/index.ts';
import type { Outlet, SpoolOptions } from '../../bindings/plugin/index.ts';
import spool from '../../plugins/queue/spool.ts';

/** What the line asks for. */
function opened(options: string): { directory: string; terms: SpoolOptions; via: string[] } {
  const via: string[] = [];
  const found: { directory: string; terms: SpoolOptions }[] = [];
  const outlet: Outlet = { deliver: () => Promise.resolve([]) };
  testPlugin(spool, {
    options,
    outlets: (line) => (via.push(line), outlet),
    services: {
      spools: { open: (directory, terms) => (found.push({ directory, terms }), outlet) },
    },
  });
  return { ...found[0]!, via };
}

test('queue/spool hands on by the outlet behind `via`, with the times of the line', () => {
  const { directory, terms, via } = opened(
    '/var/spool/out first_retry 60 life 7200 via smtp-forward 10.0.0.5 25',
  );
  expect(directory).toBe('/var/spool/out');
  expect(via).toEqual(['smtp-forward 10.0.0.5 25']);
  expect(terms).toMatchObject({
    firstRetryMs: 60_000,
    longestRetryMs: 14_400_000,
    lifeMs: 7_200_000,
    delayNoticeMs: 14_400_000,
    perDestination: 10,
    inAll: 50,
    host: 'mx.example',
  });
});

test.each([
  ['via smtp-forward 10.0.0.5', 'next-hop'],
  ['via smtp-forward mx', 'x.example'],
  ['via routes', 'x.example'],
  ['by domain via smtp-forward 10.0.0.5', 'x.example'],
  ['by hop via smtp-forward mx', 'next-hop'],
])('queue/spool %s: recipients wait for %s', (options, destination) => {
  const { terms } = opened(`/s ${options}`);
  expect(terms.destinationOf(address('<a@X.Example>'))).toBe(destination);
});

test.each([
  ['via smtp-forward h', 'directory'],
  ['relative via smtp-forward h', 'must be an absolute path'],
  ['/s', 'via: is missing'],
  ['/s first_retry 0 via x', 'first_retry: must be a whole number'],
  ['/s first_retry 60 longest_retry 30 via x', 'must not be shorter than first_retry'],
  ['/s by moon via x', 'by: '],
  ['/s via smtp-forward h reports via', 'names no outlet behind `reports via`'],
  ['/s reports via smtp-forward mx', 'names no outlet: `reports via` stands behind it'],
])('queue/spool %s is refused at start: %s', (options, problem) => {
  expect(() => opened(options)).toThrow(problem);
});
