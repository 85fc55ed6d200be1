/** Traffic while a service rolls, and while somebody does something to the proxy. */

import { ADDRESSES } from '../packets/addresses.ts';
import { TrafficClient } from './client.ts';
import { inNetns } from './lines.ts';
import { CALM, LOCAL_NODE_PORT, NODE_PORT, STICKY, WEB } from './node.ts';
import { summary, type TrafficReport } from './report.ts';
import type { RollingService } from './rolling.ts';

/** Changes of the slices: ten a second. */
const EVERY = 100;
const PATIENCE = 5000;

const at = ADDRESSES[4];

export interface Rolled {
  /** From a pod to a cluster address, from the outside to node ports, from a pod to a service with affinity. */
  readonly reports: Readonly<Record<'pod' | 'outside' | 'sticky', TrafficReport>>;
  readonly changes: number;
  /** The latest connection to a pod after the slices told that it ends (ms). */
  readonly latestMs: number;
}

/** @param disturb is called once and told when it is over */
export async function roll(
  rolling: RollingService,
  seconds: number,
  disturb?: (isOver: () => boolean) => Promise<void>,
): Promise<Rolled> {
  const traffic = { patienceMs: PATIENCE };
  await using pod = new TrafficClient(inNetns('pod'), {
    ...traffic,
    targets: [
      { address: WEB, port: 80, perSecond: 900, held: 4 },
      { address: CALM, port: 80, perSecond: 0, held: 8 },
    ],
  });
  const outsideTarget = { address: at.nodeOutside, from: at.clients.outside, held: 2 };
  await using outside = new TrafficClient(inNetns('outside'), {
    ...traffic,
    targets: [
      { ...outsideTarget, port: NODE_PORT, perSecond: 50 },
      { ...outsideTarget, port: LOCAL_NODE_PORT, perSecond: 50 },
    ],
  });
  await using sticky = new TrafficClient(inNetns('local2'), {
    ...traffic,
    targets: [{ address: STICKY, port: 80, perSecond: 20 }],
  });
  const clients = { pod, outside, sticky };
  const start = performance.now();
  const before = rolling.changes;
  let isOver = false;
  const disturbed = disturb?.(() => isOver);
  disturbed?.catch(() => {});
  try {
    for (let count = 1; performance.now() - start < seconds * 1000; count += 1) {
      await rolling.change();
      await Bun.sleep(Math.max(0, start + count * EVERY - performance.now()));
    }
  } finally {
    isOver = true;
  }
  await disturbed;
  const last = await Promise.all(
    Object.entries(clients).map(async ([name, client]) => [name, await client.stop()]),
  );
  const reports = Object.fromEntries(last) as Rolled['reports'];
  const late = rolling.ended.flatMap(({ name, toldAt }) =>
    Object.values(reports).map(({ by }) => (by[name]?.lastOpenedAt ?? 0) - toldAt),
  );
  return { reports, changes: rolling.changes - before, latestMs: Math.max(0, ...late) };
}

/** Lines for people. */
export function told(title: string, { reports, changes, latestMs }: Rolled): string {
  const lines = Object.entries(reports).map(([name, report]) => `  ${name}: ${summary(report)}`);
  return [
    `${title}: ${changes} changes, none to a pod later than ${latestMs} ms after it was told to end`,
    ...lines,
  ].join('\n');
}
