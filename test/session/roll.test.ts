import { expect, test } from 'vitest';
import { NOT_IN_SET, DenseSet } from '../../bindings/timing/dense-set.ts';

class Member {
  place = NOT_IN_SET;
}

const rollOf = (count: number) => {
  const roll = new DenseSet<'place', Member>('place');
  const members = Array.from({ length: count }, () => new Member());
  for (const member of members) roll.add(member);
  return { roll, members };
};

const listed = (roll: DenseSet<'place', Member>): Set<Member> => {
  const seen = new Set<Member>();
  roll.forEach((member) => void seen.add(member));
  return seen;
};

test('members come once and go once, in any order', () => {
  const { roll, members } = rollOf(5);
  roll.add(members[3]!);
  expect(roll.size).toBe(5);
  for (const index of [1, 4, 0]) expect(roll.delete(members[index]!)).toBe(true);
  expect(roll.delete(members[1]!)).toBe(false);
  expect(listed(roll)).toEqual(new Set([members[2], members[3]]));
  roll.add(members[1]!);
  expect(listed(roll)).toEqual(new Set([members[1], members[2], members[3]]));
});

test.each([
  ['itself', (members: Member[], at: number) => [members[at]!]],
  ['all before it', (members: Member[], at: number) => members.slice(0, at)],
  ['all after it', (members: Member[], at: number) => members.slice(at + 1)],
  ['everybody', (members: Member[]) => members],
])('deleting %s while all are visited keeps no other from being visited', (_, chosen) => {
  for (let at = 0; at < 6; at++) {
    const { roll, members } = rollOf(6);
    const gone = new Set<Member>();
    const visited = new Set<Member>();
    roll.forEach((member) => {
      expect(gone.has(member)).toBe(false);
      visited.add(member);
      if (member !== members[at]) return;
      for (const other of chosen(members, at)) {
        gone.add(other);
        roll.delete(other);
      }
    });
    for (const member of members) expect(visited.has(member) || gone.has(member)).toBe(true);
  }
});
