/** Sessions take turns: by a clock that goes on when it is looked at, and rounds of the event loop that the test makes. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import { MemoryAcceptor } from '../../host/intake/memory-acceptor.ts';
import { noReverseLookup } from '../../host/dns/reverse-lookup.ts';
import { Server } from '../../host/server/server.ts';
import { Turns, type TurnTaker } from '../../host/session/turns.ts';
import { TestClient } from '../../host/testing/index.ts';

let now = 0;
/** What each look at the clock takes. */
let lookMs = 0;
let rounds: (() => void)[] = [];
let turns: Turns;

beforeEach(() => {
  now = 1_000;
  lookMs = 0;
  rounds = [];
  turns = new Turns(
    () => (now += lookMs),
    (serve) => void rounds.push(serve),
  );
});

/** One round of the event loop comes to the line. */
function nextRound(): void {
  const [serve, ...others] = rounds;
  expect(others).toEqual([]);
  rounds = [];
  serve?.();
}

describe('the line', () => {
  const served: string[] = [];
  beforeEach(() => void served.splice(0));

  class Taker implements TurnTaker {
    usedUs = 0;
    usedIn = 0;
    readonly name: string;
    /** Steps still to do, of which each takes so long. */
    steps: number;
    readonly stepMs: number;

    constructor(name: string, steps: number, stepMs: number) {
      this.name = name;
      this.steps = steps;
      this.stepMs = stepMs;
    }

    takeTurn(): void {
      served.push(this.name);
      while (this.steps > 0) {
        this.steps--;
        now += this.stepMs;
        if (this.steps > 0 && turns.spend()) {
          turns.lineUp(this, true);
          return;
        }
      }
    }
  }

  test('is served in order, and a session that uses up its slice goes to its end', () => {
    const [a, b] = [new Taker('a', 5, 0.125), new Taker('b', 3, 0.125)];
    turns.lineUp(a, true);
    turns.lineUp(b, true);
    for (let round = 0; round < 5; round++) nextRound();
    expect(served).toEqual(['a', 'b', 'a', 'b', 'a']);
    expect(turns.isPressed).toBe(false);
    expect(rounds).toEqual([]);
  });

  test('lets those with little to do go first, however many slices the others still need', () => {
    const heavy = [new Taker('heavy', 100, 0.5), new Taker('heavy', 100, 0.5)];
    for (const taker of heavy) turns.lineUp(taker, true);
    nextRound();
    turns.lineUp(new Taker('light', 1, 0.1), false);
    nextRound();
    expect(served).toEqual(['heavy', 'light', 'heavy']);
  });

  test('lets those go first that have used less of late', () => {
    const [busy, idle] = [new Taker('busy', 1, 0.1), new Taker('idle', 1, 0.1)];
    turns.begin(10_000);
    now += 8;
    turns.end(busy);
    turns.lineUp(busy, false);
    turns.lineUp(idle, false);
    nextRound();
    expect(served).toEqual(['idle', 'busy']);
    // What was used is forgotten in the end.
    now += 5_000;
    served.length = 0;
    nextRound();
    turns.begin(10_000);
    turns.end(idle);
    turns.lineUp(busy, false);
    turns.lineUp(idle, false);
    nextRound();
    expect(served).toEqual(['busy', 'idle']);
  });

  test('is over soon in each round, for sessions known to have much, too, though they had nothing left', () => {
    const heavy = Array.from({ length: 10 }, () => new Taker('heavy', 4, 0.3));
    // One period, in which nothing is forgotten.
    now = 1_024;
    for (const taker of heavy) {
      turns.begin(10_000);
      now += 5;
      turns.end(taker);
    }
    // All that they had was done, and more has come.
    for (const taker of heavy) turns.lineUp(taker, false);
    turns.lineUp(new Taker('light', 1, 0.1), false);
    const before = now;
    nextRound();
    expect(served).toEqual(['light', 'heavy']);
    expect(now - before).toBeLessThan(0.5);
  });

  test('serves a share in each round and no more, and starves neither those with much nor those with little', () => {
    const light = Array.from({ length: 500 }, (_, index) => new Taker(`light ${index}`, 1, 0.1));
    for (const taker of light) turns.lineUp(taker, false);
    turns.lineUp(new Taker('heavy', 50, 0.5), true);
    const before = now;
    nextRound();
    expect(now - before).toBeLessThan(5);
    expect(served).toContain('heavy');
    expect(served.filter((name) => name !== 'heavy').length).toBeGreaterThan(1);
    for (let round = 0; round < 300; round++) nextRound();
    expect(served).toContain('light 499');
    expect(rounds).toEqual([]);
  });

  test('goes on after a session that fails', () => {
    const broken = new Taker('broken', 1, 0);
    broken.takeTurn = () => {
      throw new Error('broken');
    };
    turns.lineUp(broken, false);
    turns.lineUp(new Taker('whole', 1, 0.1), false);
    expect(nextRound).toThrow('broken');
    nextRound();
    expect(served).toEqual(['whole']);
  });

  test('is where newcomers go once the others of a round have used its share', () => {
    turns.begin(10_000);
    now += 1.5;
    turns.end(new Taker('first', 0, 0));
    expect(turns.isPressed).toBe(false);
    turns.begin(10_000);
    now += 1;
    turns.end(new Taker('second', 0, 0));
    expect(turns.isPressed).toBe(true);
    nextRound();
    expect(turns.isPressed).toBe(false);
  });

  test('is not needed where rounds are over before their share is used', () => {
    for (let round = 0; round < 10; round++) {
      turns.begin(10_000);
      now += 1.5;
      turns.end(new Taker('any', 0, 0));
      expect(turns.isPressed).toBe(false);
      nextRound();
    }
  });

  test('counts small input by samples, so that many costly commands that come one by one press as well', () => {
    const taker = new Taker('any', 0, 0);
    for (let read = 0; read < 8; read++) {
      turns.begin(6);
      now += 0.5;
      turns.end(taker);
    }
    expect(turns.isPressed).toBe(true);
  });
});

describe('sessions', () => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(() => Promise.all(closing.splice(0).map((close) => close())));

  let connect: () => TestClient;

  const keeper = definePlugin({
    name: 'keeper',
    about: 'Accepts everything, and passwords after a while.',
    hooks: {
      rcpt: () => ok(),
      queue: () => ok('accepted'),
      vrfy: () => Promise.resolve(ok('yes')),
      auth: () => undefined,
    },
  });

  beforeEach(async () => {
    const acceptor = new MemoryAcceptor();
    const overlay = new Map<string, readonly string[]>([
      ['me', ['mx.test']],
      ['plugins', ['keeper']],
      ['max_commands', ['0']],
      ['auth_delay', ['0']],
      ['auth_failures', ['100000']],
    ]);
    const server = await Server.load({
      acceptors: [acceptor],
      directories: [],
      overlay,
      definitions: [keeper],
      reverseLookup: noReverseLookup,
      turns,
    });
    await server.listen();
    closing.push(() => server.drain(0));
    connect = () => new TestClient(acceptor.connect());
  });

  async function greeted(): Promise<TestClient> {
    const client = connect();
    await client.reply();
    await client.say('EHLO c.example');
    return client;
  }

  /** Lets everything happen that needs no turn. */
  async function settle(): Promise<void> {
    for (let look = 0; look < 20; look++) await new Promise((resolve) => setImmediate(resolve));
  }

  const ENVELOPE = 'MAIL FROM:<a@b.example>\r\nRCPT TO:<u@example.test>\r\n';
  const COUNT = 200;
  test.each<[string, string, string, number]>([
    ['commands', '', 'NOOP\r\n', 1],
    ['empty lines and unknown verbs', '', '\r\nXYZZY\r\n', 2],
    ['commands whose plugins answer with settled promises', '', 'VRFY x\r\n', 1],
    ['chunks of one octet', ENVELOPE, 'BDAT 1\r\nx', 1],
    ['chunks that are skipped', '', 'BDAT 6\r\nQUIT\r\n', 1],
    ['messages in DATA', '', `${ENVELOPE}DATA\r\na: b\r\n\r\nx\r\n.\r\n`, 4],
    ['AUTH that is given up', '', 'AUTH LOGIN\r\n*\r\n', 2],
  ])('with %s pipelined yield to a neighbour whose slice is over', async (_what, before, unit, replies) => {
    const [flooding, neighbour] = [await greeted(), await greeted()];
    for (const line of before.split('\r\n').slice(0, -1)) await flooding.say(line);
    lookMs = 0.3;
    const unknown = unit.includes('XYZZY') ? 10 : COUNT;
    flooding.send(unit.repeat(unknown));
    await settle();
    neighbour.send('NOOP\r\n');
    await settle();
    // The flood waits in line, and one round serves the neighbour in front of it.
    expect(rounds.length).toBe(1);
    let answered = 0;
    const counted = (async () => {
      for (; answered < unknown * replies; answered++) if ((await flooding.reply()) === '') return;
    })();
    nextRound();
    await settle();
    expect(await neighbour.reply()).toBe('250 OK');
    expect(answered).toBeLessThan(unknown * replies);
    for (let round = 0; round < 3_000 && answered < unknown * replies; round++) {
      nextRound();
      await settle();
    }
    await counted;
    expect(answered).toBe(unknown * replies);
  });

  function press(): void {
    turns.begin(10_000);
    now += 3;
    turns.end({ usedUs: 0, usedIn: 0, takeTurn: () => undefined });
  }

  test('that come with more commands than a slice is enough for stand after others from the start', async () => {
    const flooding = await Promise.all(Array.from({ length: 10 }, greeted));
    const neighbour = await greeted();
    press();
    for (const client of flooding) client.send('NOOP\r\n'.repeat(2_000));
    await settle();
    neighbour.send('NOOP\r\n');
    await settle();
    lookMs = 0.3;
    nextRound();
    await settle();
    lookMs = 0;
    let heard = '';
    void neighbour.reply().then((reply) => (heard = reply));
    await settle();
    expect(heard).toBe('250 OK');
  });

  test('that come while others are in line are greeted in their turn', async () => {
    press();
    let greeting = '';
    const client = connect();
    const heard = client.reply().then((reply) => (greeting = reply));
    await settle();
    expect(greeting).toBe('');
    nextRound();
    expect(await heard).toMatch(/^220 /);
    expect(rounds).toEqual([]);
  });

  test('in line whose client vanishes, or closes its side, come to their end', async () => {
    const [vanishing, leaving] = [await greeted(), await greeted()];
    lookMs = 0.6;
    vanishing.send('NOOP\r\n'.repeat(100));
    leaving.send('NOOP\r\n'.repeat(100));
    await settle();
    vanishing.destroy();
    leaving.stream.end();
    await settle();
    lookMs = 0;
    for (let round = 0; round < 20; round++) {
      nextRound();
      await settle();
    }
    for (let reply = 0; reply < 100; reply++) expect(await leaving.reply()).toBe('250 OK');
    expect(await leaving.isClosed()).toBe(true);
    expect(rounds).toEqual([]);
  });
});
