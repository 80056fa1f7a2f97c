import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { isOver, leaseHolder } from '../../../host/spool/index/lease.ts';

const own = leaseHolder();
const active = (): boolean => true;

describe('a lease', () => {
  it('of this process ends with the work, whatever the clock says', () => {
    expect(isOver({ holder: own, expiresMs: 0 }, own, 1_000, active)).toBe(false);
    expect(isOver({ holder: own, expiresMs: 2_000 }, own, 1_000, () => false)).toBe(true);
  });

  it('of a living process holds, also behind its end', () => {
    const holder = { ...own, token: 'another spool of this process' };
    expect(isOver({ holder, expiresMs: 0 }, own, 1_000, active)).toBe(false);
  });

  it('of a dead process is over at once', () => {
    const { pid } = spawnSync('true');
    const holder = { ...own, token: 'other', pid };
    expect(isOver({ holder, expiresMs: 2_000 }, own, 1_000, active)).toBe(true);
  });

  it('of a process whose pid has another owner by now is over at once', () => {
    const holder = { ...own, token: 'other', began: '1' };
    expect(isOver({ holder, expiresMs: 2_000 }, own, 1_000, active)).toBe(true);
  });

  it.each([{ namespace: 'pid:[1]' }, { boot: 'other' }])('under %j counts until it expires', (where) => {
    const holder = { ...own, ...where, token: 'other' };
    expect(isOver({ holder, expiresMs: 2_000 }, own, 1_999, active)).toBe(false);
    expect(isOver({ holder, expiresMs: 2_000 }, own, 2_000, active)).toBe(true);
  });
});
