import { expect, test } from 'vitest';
import {
  lastCallIn,
  LAST_CALL,
  LAST_SEAT,
  leaveSeat,
  flightRecord,
  numberOfCall,
  sessionName,
  sessionsIn,
  takeSeat,
  callNames,
} from '../../host/observe/flight-record.ts';
import { beatEveryMs, HeartbeatMonitor } from '../../host/process/heartbeat-monitor.ts';

test.each([
  [60_000, 1_000],
  [10_000, 1_000],
  [2_000, 200],
])('with %d ms to be silent there is a sign of life every %d ms', (timeoutMs, everyMs) => {
  expect(beatEveryMs(timeoutMs)).toBe(everyMs);
});

test('silence is counted in ticks, from the last sign of life on', () => {
  const meter = new HeartbeatMonitor(100);
  expect([1, 1, 1, 2, 2, 2, 3].map((sign) => meter.tick(sign))).toEqual([0, 100, 200, 0, 100, 200, 0]);
});

test('what the record says: the last hook, its session, and who is open', () => {
  const before = sessionsIn(flightRecord).length;
  expect(before).toBe(0);
  const beganAt = 1_800_000_000_000;
  const [first, second, third] = [35, 36, 37].map((number) => sessionName(number, beganAt));
  expect(second).toBe(`${beganAt.toString(36)}-${process.pid.toString(36)}-10`);
  const seats = [35, 36, 37].map((number) => takeSeat(number, beganAt));
  flightRecord[LAST_CALL] = numberOfCall('rhsbl', 'rcpt');
  flightRecord[LAST_SEAT] = seats[1]!;
  expect(numberOfCall('rhsbl', 'rcpt')).toBe(flightRecord[LAST_CALL]);
  expect(lastCallIn(flightRecord, callNames)).toBe(`last hook: rcpt of plugin rhsbl, session ${second}`);
  expect(sessionsIn(flightRecord)).toEqual([`${first} ${second} ${third}`]);
  expect(sessionsIn(flightRecord, 2)).toEqual([`${first} ${second}`, third]);
  leaveSeat(seats[1]!);
  expect(lastCallIn(flightRecord, callNames)).toBe('last hook: rcpt of plugin rhsbl');
  expect(sessionsIn(flightRecord)).toEqual([`${first} ${third}`]);
  expect(takeSeat(38, beganAt)).toBe(seats[1]);
});

test('more sessions than there are seats are counted', () => {
  for (let number = 100; number < 5_100; number++) takeSeat(number, 0);
  expect(sessionsIn(flightRecord).at(-1)).toMatch(/^and \d+ more$/);
});
