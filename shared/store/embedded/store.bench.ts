import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubeObject } from '../kube-object.ts';
import { EmbeddedStore } from './store.ts';

export interface StoreFigure {
  readonly name: string;
  readonly p50Ms: number;
  readonly budgetMs: number;
}

/** The size that the budgets are about. */
const OBJECTS = 10_000;

/** A Service of about 1.5 kB, as the API server keeps them. */
function service(index: number): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: `service-${index}`,
      namespace: `namespace-${index % 100}`,
      labels: { app: `app-${index}`, tier: 'backend', release: 'stable' },
      annotations: { 'example.com/config': 'x'.repeat(900) },
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: `10.96.${index >> 8}.${index & 255}`,
      selector: { app: `app-${index}` },
      ports: [
        { name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' },
        { name: 'metrics', port: 9090, targetPort: 9090, protocol: 'TCP' },
      ],
    },
  };
}

function median(count: number, work: (index: number) => void): number {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const start = performance.now();
    work(index);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return times[count >> 1] ?? Number.NaN;
}

/**
 * Measures the embedded store at 10,000 objects, in a directory of its own under the system's temporary one. The
 * budget of a read is the project's; that of opening, which checks every page and every object, bounds an agent's start.
 */
export async function benchStore(): Promise<StoreFigure[]> {
  const directory = mkdtempSync(join(tmpdir(), 'underpod-store-bench-'));
  try {
    const file = join(directory, 'store.db');
    const key = (index: number): { kind: string; namespace: string; name: string } => {
      // A stride that visits all of them in no order the file has.
      const at = (index * 7919) % OBJECTS;
      return { kind: 'Service', namespace: `namespace-${at % 100}`, name: `service-${at}` };
    };
    {
      using store = EmbeddedStore.open(file);
      store.transact((transaction) => {
        for (let index = 0; index < OBJECTS; index += 1) transaction.put(service(index));
      });
    }
    const open = median(5, () => EmbeddedStore.open(file)[Symbol.dispose]());
    using store = EmbeddedStore.open(file);
    const read = median(OBJECTS, (index) => {
      if (store.get(key(index)) === undefined) throw new Error('an object is missing');
    });
    return [
      { name: `store: read one of ${OBJECTS} objects`, p50Ms: read, budgetMs: 0.1 },
      { name: `store: open with a full check of ${OBJECTS} objects`, p50Ms: open, budgetMs: 500 },
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
