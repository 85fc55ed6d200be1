/**
 * A process of its own for processes.test.ts: `bun test-child.ts JOB FILE NAME COUNT`. It says `ready`, waits for a line
 * on stdin so that several can start at once, works, and says what it has done.
 */

import { parseNetConf } from '../../config/net-conf.ts';
import { isConflict } from '../errors.ts';
import { EmbeddedRegistry } from './registry.ts';
import { EmbeddedStore } from './store.ts';
import { sampleKey, sampleObject } from './test-store.ts';

const [job = '', file = '', name = '', count = '0'] = process.argv.slice(2);

/** Adds one to a shared counter by compare-and-swap, `count` times. */
function increment(store: EmbeddedStore): void {
  for (let done = 0; done < Number(count); ) {
    const counter = store.get(sampleKey('counter')) ?? sampleObject('counter', 0);
    const { value } = counter['spec'] as { value: number };
    try {
      const version = counter.metadata.resourceVersion ?? 'absent';
      store.put({ ...counter, spec: { value: value + 1 } }, { version });
      done += 1;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
}

/** Writes pairs of objects that must always be equal, until it is killed or its parent is; says which pair is on disk. */
function writePairs(store: EmbeddedStore): void {
  const parent = process.ppid;
  const start = store.get(sampleKey('left'))?.['spec'] as { value: { n: number } } | undefined;
  for (let n = (start?.value.n ?? 0) + 1; process.ppid === parent; n += 1) {
    const value = { n, filler: 'x'.repeat((n * 997) % 9000) };
    store.transact((transaction) => {
      transaction.put(sampleObject('left', value));
      transaction.put(sampleObject('right', value));
      transaction.delete(sampleKey('extra'));
      if (n % 2 === 0) transaction.put(sampleObject('extra', value));
    });
    process.stdout.write(`${n}\n`);
  }
}

/** Acquires leases for `count` nodes. */
async function acquire(store: EmbeddedStore): Promise<void> {
  const networks = parseNetConf('{"Network":"10.0.0.0/16","EnableIPv6":true,"IPv6Network":"fd00::/48"}');
  const registry = new EmbeddedRegistry(store, { networks });
  for (let n = 0; n < Number(count); n += 1) {
    await registry.acquire({ name: `${name}-${n}`, backend: { type: 'vxlan' } });
  }
}

/** Writes until the disk is full, says so, and shows that reading still works. */
function fill(store: EmbeddedStore): void {
  for (let n = 1; ; n += 1) {
    try {
      store.put(sampleObject(`${name}-${n}`, 'x'.repeat(20_000)));
    } catch (error) {
      const held = store.list('Service').items.length;
      process.stdout.write(`${n - 1} ${held} ${error instanceof Error ? error.name : 'error'}\n`);
      return;
    }
  }
}

const jobs: Readonly<Record<string, (store: EmbeddedStore) => void | Promise<void>>> = {
  increment,
  writePairs,
  acquire,
  fill,
  put: (store) => {
    for (let n = 0; n < Number(count); n += 1) store.put(sampleObject(`${name}-${n}`));
  },
};

async function go(): Promise<void> {
  for await (const _line of console) return;
}

process.stdout.write('ready\n');
await go();
{
  using store = EmbeddedStore.open(file, {
    report: (report) => process.stdout.write(`report ${JSON.stringify(report)}\n`),
  });
  await jobs[job]?.(store);
}
process.stdout.write('done\n');
