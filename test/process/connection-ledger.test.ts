import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LocalLedger, SharedLedger, WorkerLedger } from '../../host/process/connection-ledger.ts';
import { readWorkerMessage, type WorkerMessage } from '../../host/process/ipc-messages.ts';

const A = '192.0.2.1';
const B = '2001:db8::1';

describe('the ledger of one process', () => {
  it('refuses the connection above the limit, per address', () => {
    const ledger = new LocalLedger(2);
    expect(ledger.admit(A)).toEqual({ isAdmitted: true, fromIp: 1 });
    expect(ledger.admit(A)).toEqual({ isAdmitted: true, fromIp: 2 });
    expect(ledger.admit(A)).toEqual({ isAdmitted: false, fromIp: 2 });
    expect(ledger.admit(B)).toEqual({ isAdmitted: true, fromIp: 1 });
    ledger.release(A);
    expect(ledger.admit(A).isAdmitted).toBe(true);
  });

  it.each([undefined, 0])('counts and refuses nobody with the limit %s', (limit) => {
    const ledger = new LocalLedger(limit);
    for (let i = 1; i <= 1_000; i++) expect(ledger.admit(A)).toEqual({ isAdmitted: true, fromIp: i });
  });

  it('keeps nothing of an address whose connections are gone', () => {
    const ledger = new LocalLedger(5);
    ledger.admit(A);
    ledger.admit(B);
    ledger.release(A);
    expect(ledger.size).toBe(1);
  });
});

describe('a ledger that leaves the last word to a plugin', () => {
  it('admits as many more as it is told, for this one connection', () => {
    const ledger = new LocalLedger(1);
    expect(ledger.admit(A, 2)).toEqual({ isAdmitted: true, fromIp: 1 });
    expect(ledger.admit(A)).toEqual({ isAdmitted: false, fromIp: 1 });
    expect(ledger.admit(A, 2)).toEqual({ isAdmitted: true, fromIp: 2 });
    expect(ledger.admit(A, 2)).toEqual({ isAdmitted: true, fromIp: 3 });
    expect(ledger.admit(A, 2)).toEqual({ isAdmitted: false, fromIp: 3 });
  });

  it('is asked for them over the primary, too', () => {
    const sent: unknown[] = [];
    void new WorkerLedger((message) => sent.push(message)).admit(A, 3);
    const heard = readWorkerMessage(sent[0]);
    expect(heard).toEqual({ qpsmtpd: 'admit', id: 1, ip: A, extra: 3 });
    expect(readWorkerMessage({ qpsmtpd: 'admit', id: 1, ip: A, extra: '3' })).toBeUndefined();
    const ledger = new SharedLedger(1);
    expect(ledger.admit(1, A, 3).isAdmitted).toBe(true);
    expect(ledger.admit(2, A, 3)).toEqual({ isAdmitted: true, fromIp: 2 });
  });
});

describe('the ledger of a primary', () => {
  it('gives back the connections of a dead worker and only those', () => {
    const ledger = new SharedLedger(3);
    ledger.admit(1, A);
    ledger.admit(1, A);
    ledger.admit(2, A);
    expect(ledger.admit(2, A).isAdmitted).toBe(false);
    ledger.forget(1);
    expect(ledger.admit(2, A)).toEqual({ isAdmitted: true, fromIp: 2 });
  });

  it('ignores what a worker gives back that it does not hold', () => {
    const ledger = new SharedLedger(1);
    ledger.admit(1, A);
    ledger.release(2, A);
    expect(ledger.admit(2, A).isAdmitted).toBe(false);
  });

  it('counts what the workers hold, after any sequence of events', () => {
    const event = fc.record({
      kind: fc.constantFrom('admit', 'release', 'forget'),
      worker: fc.integer({ min: 1, max: 3 }),
      ip: fc.constantFrom(A, B),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const ledger = new SharedLedger(3);
        let held: { worker: number; ip: string }[] = [];
        for (const { kind, worker, ip } of events) {
          const own = held.findIndex((each) => each.worker === worker && each.ip === ip);
          if (kind === 'admit') {
            const before = held.filter((each) => each.ip === ip).length;
            expect(ledger.admit(worker, ip).isAdmitted).toBe(before < 3);
            if (before < 3) held.push({ worker, ip });
          } else if (kind === 'release') {
            ledger.release(worker, ip);
            if (own >= 0) held.splice(own, 1);
          } else {
            ledger.forget(worker);
            held = held.filter((each) => each.worker !== worker);
          }
          expect(ledger.size).toBe(new Set(held.map((each) => each.ip)).size);
        }
      }),
    );
  });
});

describe('the ledger of a worker', () => {
  it('asks the primary and answers each connection with what the primary said of it', async () => {
    const sent: WorkerMessage[] = [];
    const ledger = new WorkerLedger((message) => sent.push(message));
    const first = ledger.admit(A);
    const second = ledger.admit(B);
    expect(sent).toEqual([
      { qpsmtpd: 'admit', id: 1, ip: A },
      { qpsmtpd: 'admit', id: 2, ip: B },
    ]);
    ledger.answer(2, { isAdmitted: false, fromIp: 5 });
    ledger.answer(1, { isAdmitted: true, fromIp: 1 });
    expect(await first).toEqual({ isAdmitted: true, fromIp: 1 });
    expect(await second).toEqual({ isAdmitted: false, fromIp: 5 });
    ledger.release(A);
    expect(sent.at(-1)).toEqual({ qpsmtpd: 'release', ip: A });
  });

  it('refuses clients that wait and clients that come when the primary is gone', async () => {
    const ledger = new WorkerLedger(() => undefined);
    const waiting = ledger.admit(A);
    ledger.close();
    expect((await waiting).isAdmitted).toBe(false);
    expect((await ledger.admit(B)).isAdmitted).toBe(false);
  });
});

describe('messages of workers', () => {
  it.each([
    [null],
    ['ready'],
    [{}],
    [{ qpsmtpd: 'ready' }],
    [{ qpsmtpd: 'failed', exitCode: '78', text: '' }],
    [{ qpsmtpd: 'admit', id: 1, ip: 'x'.repeat(65) }],
    [{ qpsmtpd: 'admit', ip: A }],
    [{ qpsmtpd: 'release' }],
    [{ cmd: 'NODE_CLUSTER' }],
  ])('are ignored when they are not well-formed: %j', (message) => {
    expect(readWorkerMessage(message)).toBeUndefined();
  });
});
