// A process that uses an index: what it is to do comes from its parent, one message for each step.
import { existsSync } from 'node:fs';
import { open } from 'lmdb';
import { IndexDatabase } from '../../../dist/host/spool/index/index-database.js';

const index = await IndexDatabase.open(process.argv[2]);
let ticks = 0;
setInterval(() => ticks++, 10);

/** Nothing else happens in this process before the file is there. */
function wedge(until) {
  for (const end = Date.now() + 60_000; !existsSync(until) && Date.now() < end;);
}

async function turns(count) {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const steps = {
  async count({ key, times }) {
    const more = (records) => records.put(key, String(Number(records.get(key) ?? 0) + 1));
    await Promise.all(Array.from({ length: times }, () => index.write(more)));
  },
  async wedgeAfter({ count, until }) {
    const written = index.write((records) => records.put('d/wedged', '1'));
    await turns(count);
    process.send({ said: 'wedged' });
    wedge(until);
    await written;
  },
  async wedgeInside({ until }) {
    let isFirst = true;
    await index.write((records) => {
      if (isFirst) process.send({ said: 'wedged' });
      if (isFirst) wedge(until);
      isFirst = false;
      records.put('d/wedged', '1');
    });
  },
  /** As a process does whose thread has just taken the lock. */
  holdLock({ until }) {
    open({
      path: `${process.argv[2]}/store.mdb`,
      encoding: 'string',
      overlappingSync: false,
    }).transactionSync(() => {
      process.send({ said: 'holding' });
      wedge(until);
    });
  },
  ticks: () => ticks,
  read: ({ key }) => index.read((records) => records.get(key)),
};

process.on('message', async ({ id, step, ...rest }) => process.send({ id, answer: await steps[step](rest) }));
process.on('disconnect', () => process.exit());
process.send({ said: 'ready' });
