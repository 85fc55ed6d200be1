/**
 * The kernel tells the number of neighbours to its own namespace only, and counts those of all: so this is run where the
 * machine's namespace is the test's to change, in the VM.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kernelHas } from '../../../conformance/testing/kernel-features.ts';
import { isVm } from '../../../conformance/testing/slowness.ts';
import { readSysctl } from '../../../shared/sys/sysctl.ts';

const canFill = isVm && kernelHas('dummy');
if (!canFill) process.stderr.write('skipped: a full table of neighbours: only in the VM (make test-vm)\n');

/** Other tests have their neighbours in the same table: nothing of theirs may be thrown out. */
const LIMIT = 3000;
const DEVICE = 'neighbours';

const sysctl = (family: 4 | 6, name: string, value: number): void =>
  writeFileSync(`/proc/sys/net/ipv${family}/neigh/default/${name}`, String(value));

function neighbours(family: 4 | 6, count: number, state: string): void {
  const lines: string[] = [];
  for (let n = 1; n <= count; n++) {
    const address = family === 4 ? `10.99.${n >> 8}.${n & 255}` : `fd00:99::${(n & 0xffff).toString(16)}`;
    lines.push(`neigh replace ${address} lladdr 02:00:00:00:00:01 dev ${DEVICE} nud ${state}`);
  }
  const done = spawnSync('ip', ['-batch', '-'], { input: lines.join('\n'), encoding: 'utf8' });
  if (done.status !== 0) throw new Error(done.stderr);
}

/** What a process of its own writes to stderr: it asks once for these addresses. */
function warningsFor(...addresses: string[]): string[] {
  const files = ['neighbour-table.ts', '../../../shared/ip/cidr.ts'].map((file) =>
    resolve(import.meta.dirname, file),
  );
  const script = `
    const [{ watchNeighbourTables }, { parseCidr }] = await Promise.all(${JSON.stringify(files)}.map((f) => import(f)));
    await watchNeighbourTables(${JSON.stringify(addresses)}.map((text) => ({ address: parseCidr(text) })));`;
  const done = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  expect(done.status).toBe(0);
  return done.stderr.trim().split('\n').filter(Boolean);
}

const forget = (): void => {
  spawnSync('rm', ['-f', '/run/underpod/neighbours-ipv4', '/run/underpod/neighbours-ipv6']);
};

describe.skipIf(!canFill)('a table of neighbours', () => {
  const before = ([4, 6] as const).flatMap((family) =>
    ['gc_thresh2', 'gc_thresh3'].map(
      (name) => [family, name, Number(readSysctl(`net/ipv${family}/neigh/default/${name}`))] as const,
    ),
  );
  beforeAll(() => {
    spawnSync('ip', ['link', 'add', DEVICE, 'type', 'dummy']);
    spawnSync('ip', ['link', 'set', DEVICE, 'up']);
    for (const [family] of before)
      for (const name of ['gc_thresh2', 'gc_thresh3']) sysctl(family, name, LIMIT);
  });
  afterAll(() => {
    spawnSync('ip', ['link', 'delete', DEVICE]);
    for (const [family, name, value] of before) sysctl(family, name, value);
    forget();
  });

  test.each([
    [4, '10.244.0.2/24'],
    [6, 'fd00::2/64'],
  ] as const)(
    'IPv%i: only one that is nearly full is told, once a minute',
    (family, pod) => {
      forget();
      neighbours(family, 1000, 'reachable');
      expect(warningsFor(pod)).toEqual([]);

      // Those that never go do not count.
      neighbours(family, 2750, 'permanent');
      expect(warningsFor(pod)).toEqual([]);

      forget();
      neighbours(family, 2750, 'reachable');
      const [line, ...more] = warningsFor(pod, pod);
      expect(more).toEqual([]);
      const name = `net.ipv${family}.neigh.default.gc_thresh3`;
      expect(line).toMatch(new RegExp(`IPv${family} neighbours holds 2[78]\\d\\d of at most 3000 entries`));
      expect(line).toContain(`sysctl -w ${name}=12000`);
      expect(warningsFor(pod)).toEqual([]);

      forget();
      sysctl(family, 'gc_thresh3', 2 * LIMIT);
      expect(warningsFor(pod)).toEqual([]);
    },
    300_000,
  );
});
