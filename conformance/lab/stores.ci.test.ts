/** The lab on etcd and on Kubernetes: every path, and the servers going away. The embedded store's tests are up.test.ts. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { etcdProgram } from '../etcd/program.ts';
import { kubernetesMissing } from '../kubernetes/programs.ts';
import { COMMAND_TIMEOUT, idsOf, LabUnderTest, labsAvailable, type Told } from './lab-under-test.ts';
import type { StoreName } from './stores/store.ts';

const available = labsAvailable();
const stores = (['etcd', 'kubernetes'] as const satisfies StoreName[]).filter((store) => {
  const etcd = etcdProgram() === undefined ? 'etcd is missing' : undefined;
  const why = etcd ?? (store === 'kubernetes' ? kubernetesMissing('kube-apiserver') : undefined);
  if (why !== undefined) process.stderr.write(`skipped: the lab on ${store}: ${why}\n`);
  return why === undefined;
});

vi.setConfig({ testTimeout: 3 * COMMAND_TIMEOUT, hookTimeout: 3 * COMMAND_TIMEOUT });

/** A node's pods have their network within this time (ms) of the agent's start, whether the store answers or not. */
const START_LIMIT_MS = 2_000;

const suite = describe.skipIf(!available || stores.length === 0);

suite.each(stores)('a lab on %s', (store) => {
  const lab = new LabUnderTest(`store-${store}`);
  let up: Told;

  beforeAll(async () => {
    up = await lab.up('--nodes', '3', '--store', store);
  });
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  const pathsWork = async (): Promise<void> => {
    const { rows } = await lab.must('check', '--only', 'other-icmp,outside');
    expect(idsOf(rows, 'passed')).toHaveLength(4);
  };
  const reboot = async (): Promise<number> => {
    const { out } = await lab.must('reboot', '2', 'underpod');
    return Number(/ready after (\d+) ms/.exec(out)?.[1]);
  };

  test('comes up with every line green', () => {
    expect(idsOf(up.rows, 'failed')).toEqual([]);
    expect(idsOf(up.rows, 'skipped')).toEqual([]);
    expect(up.rows.length).toBeGreaterThan(25);
  });

  test.each([
    ['killed', 'kill', 'start'],
    ['frozen', 'pause', 'resume'],
  ])('a node that loses power while the server is %s has its network back', async (how, before, after) => {
    await lab.must('server', before);
    // The best of two: what else runs on the machine is not the agent's.
    const took = Math.min(await reboot(), await reboot());
    process.stdout.write(`${store}, server ${how}: the agent was ready after ${took} ms\n`);
    expect(took).toBeLessThan(START_LIMIT_MS);
    await pathsWork();
    await lab.must('server', after);
    await pathsWork();
  });
});
