import { resolve } from 'node:path';
import { linkTypes } from '../bench/cni.ts';
import { enterWorld } from '../cni/world.ts';
import { run } from '../testing/netns.ts';
import { Random } from '../testing/random.ts';
import { typePlans } from './plans.ts';
import { runPoints, type Point } from './points.ts';
const world = enterWorld();
if (!world) process.exit(1);
const executable = resolve(import.meta.dirname, '../../dist/underpod-linux-amd64');
linkTypes(executable, '/run/bin');
const random = new Random(7);
const type = process.argv[2] ?? 'macvlan';
const n = Number(process.argv[3] ?? 30);
const sample = (points: readonly Point[]) => {
  const rest = points.slice(0, -2); const chosen = new Set<Point>();
  while (chosen.size < Math.min(n, rest.length)) chosen.add(random.pick(rest));
  return [...points.filter((p) => chosen.has(p)), ...points.slice(-2)];
};
for (const { type: t, config, base, setup } of typePlans()) {
  if (t !== type) continue;
  for (const line of setup) { const [p = '', ...a] = line.split(' '); run(p, ...a); }
  for (const command of ['ADD', 'DEL', 'GC'] as const) for (const cleanUp of ['DEL', 'GC'] as const) {
    const r = runPoints({ world, program: `/run/bin/${config.type}`, config, ...(base && { base }), command, cleanUp, choose: sample });
    console.log(t, command, cleanUp, r.tried, '/', r.recorded, 'survived', r.survived, JSON.stringify([...r.tally]), JSON.stringify(r.leaks), JSON.stringify(r.failures));
  }
}
world[Symbol.dispose]();
process.exit(0);
