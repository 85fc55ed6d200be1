/**
 * A real flanneld and our agent in one network: every path works, and a node looks the same whichever of the two it has.
 * CI runs one case with each store, `make soak` all. By hand, in the VM: IPIP, which the machine's own kernel may lack.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { etcdProgram } from '../etcd/program.ts';
import { flanneldMissing } from '../flannel/programs.ts';
import { kubernetesMissing } from '../kubernetes/programs.ts';
import type { IpVersions } from '../lab/addresses.ts';
import type { BackendName } from '../lab/backends.ts';
import { COMMAND_TIMEOUT, idsOf, LabUnderTest, labsAvailable } from '../lab/lab-under-test.ts';
import type { StoreName } from '../lab/stores/store.ts';
import { isVm } from '../testing/slowness.ts';
import { forbidden } from './allowed.ts';
import { differences, type NodeState, nodeState, withoutMacs } from './node-state.ts';
import { published, withoutNode } from './published.ts';

/** Why this store cannot be used; undefined if it can. */
function missing(store: StoreName): string | undefined {
  if (etcdProgram() === undefined) return 'etcd is missing';
  return flanneldMissing() ?? (store === 'kubernetes' ? kubernetesMissing('kube-apiserver') : undefined);
}

const all: [StoreName, IpVersions, BackendName][] = [
  ['etcd', '4', 'vxlan'],
  ['kubernetes', 'dual', 'vxlan'],
  ['etcd', 'dual', 'vxlan'],
  ['kubernetes', '4', 'vxlan'],
  ['kubernetes', 'dual', 'host-gw'],
  ['etcd', 'dual', 'host-gw'],
  ['kubernetes', 'dual', 'vxlan-direct'],
];
/** For the VM: a link that not every kernel has. */
const rare: typeof all = [['etcd', '4', 'ipip']];
const wanted = isVm ? rare : process.env['UNDERPOD_INTEROP'] === 'all' ? all : all.slice(0, 2);
const available = labsAvailable();
const cases = wanted.filter(([store]) => {
  const why = missing(store);
  if (why !== undefined) process.stderr.write(`skipped: interop with flanneld on ${store}: ${why}\n`);
  return why === undefined;
});

/** Ways that tell of everything the agent does: to other nodes and back, and out of the cluster. */
const PATHS = 'other-icmp,other-tcp,node-pod,no-nat-other,outside';
const SHAPE = '--nodes 3 --flannel 1,2 --firewall none'.split(' ');

// Each test waits for several commands of the lab, which have limits of their own.
vi.setConfig({ testTimeout: 3 * COMMAND_TIMEOUT, hookTimeout: 3 * COMMAND_TIMEOUT });

const suite = describe.skipIf(!available || cases.length === 0);

suite.each(cases)('flanneld beside ours on %s, IPv%s, %s', (store, ipv, backend) => {
  const lab = new LabUnderTest(`interop-${store}`);
  let flannels: { readonly state: NodeState; readonly published: string };

  const look = async (): Promise<typeof flannels> => ({
    state: await nodeState(lab, 1),
    published: await published(lab, store, 1),
  });
  const pathsWork = async (): Promise<void> => {
    const { rows } = await lab.must('check', '--only', PATHS);
    expect(idsOf(rows, 'passed')).toHaveLength(rows.length);
  };

  beforeAll(async () => {
    // Emulated, the checks that kill something take minutes.
    const checks = isVm ? ['--quick'] : [];
    const { rows } = await lab.up(...SHAPE, ...checks, '--ipv', ipv, '--store', store, '--backend', backend);
    expect(idsOf(rows, 'passed')).toHaveLength(rows.length);
    // What was done to the other nodes meanwhile has left entries on this one, as flanneld removes none it does not know.
    await lab.must('reboot', '1', 'flanneld');
    flannels = await look();
  });
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  test('a node that never had another agent says of itself what one of flanneld says, to the byte', async () => {
    const [two, three] = await Promise.all([published(lab, store, 2), published(lab, store, 3)]);
    expect(withoutNode(three, 3)).toBe(withoutNode(two, 2));
  });

  test('ours takes over what flanneld left: the same bytes in the store, the same state of the kernel', async () => {
    await lab.must('agent', '1', 'underpod');
    const ours = await look();
    expect(ours.published).toBe(flannels.published);
    expect(forbidden(differences(flannels.state, ours.state))).toEqual([]);
    await pathsWork();
  });

  test('flanneld takes over what ours left', async () => {
    await lab.must('agent', '1', 'flanneld');
    expect(await published(lab, store, 1)).toBe(flannels.published);
    await pathsWork();
  });

  // Emulated time would be no answer.
  test.skipIf(isVm)(
    'from flanneld to ours and back while pods talk: no connection ends, nothing is lost that flanneld keeps',
    async () => {
      const { out } = await lab.must('changeover', '1');
      // Beside ours stand the figures of flanneld itself.
      const lines = out.split('\n').filter((line) => line.includes('connections lost'));
      const told = lines.map((line) => (JSON.parse(line) as { text: string }).text);
      process.stdout.write(`${store}, IPv${ipv}, ${backend}:\n${told.join('\n')}\n`);
      expect(told).toHaveLength(7);
    },
  );

  test('after a power cut ours builds what flanneld builds', async () => {
    await lab.must('reboot', '1', 'underpod');
    const ours = await look();
    expect(forbidden(differences(withoutMacs(flannels.state), withoutMacs(ours.state)))).toEqual([]);
    expect(withoutNode(ours.published, 1)).toBe(withoutNode(flannels.published, 1));
    await pathsWork();
  });
});

test('the comparison sees what differs', () => {
  const left = new Map<string, unknown>([
    ['route/4[10.244.2.0/24]/protocol', 'boot'],
    ['a', 1],
  ]);
  const right = new Map<string, unknown>([
    ['route/4[10.244.2.0/24]/protocol', '93'],
    ['b', 1],
  ]);
  expect(forbidden(differences(left, right)).map(({ name }) => name)).toEqual(['a', 'b']);
});
