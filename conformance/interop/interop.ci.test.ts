/**
 * A real flanneld and our agent in one network: every path works, and a node looks the same whichever of the two it has.
 * CI runs one address family with each store, `make soak` all.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { etcdProgram } from '../etcd/program.ts';
import { flanneldMissing } from '../flannel/programs.ts';
import { kubernetesMissing } from '../kubernetes/programs.ts';
import type { IpVersions } from '../lab/addresses.ts';
import { COMMAND_TIMEOUT, idsOf, LabUnderTest, labsAvailable } from '../lab/lab-under-test.ts';
import type { StoreName } from '../lab/stores/store.ts';
import { forbidden } from './allowed.ts';
import { differences, type NodeState, nodeState, withoutMacs } from './node-state.ts';
import { published } from './published.ts';

/** Why this store cannot be used; undefined if it can. */
function missing(store: StoreName): string | undefined {
  if (etcdProgram() === undefined) return 'etcd is missing';
  return flanneldMissing() ?? (store === 'kubernetes' ? kubernetesMissing('kube-apiserver') : undefined);
}

const all: [StoreName, IpVersions][] = [
  ['etcd', '4'],
  ['kubernetes', 'dual'],
  ['etcd', 'dual'],
  ['kubernetes', '4'],
];
const wanted = process.env['UNDERPOD_INTEROP'] === 'all' ? all : all.slice(0, 2);
const available = labsAvailable();
const cases = wanted.filter(([store]) => {
  const why = missing(store);
  if (why !== undefined) process.stderr.write(`skipped: interop with flanneld on ${store}: ${why}\n`);
  return why === undefined;
});

/** Ways that tell of everything the agent does: to other nodes and back, and out of the cluster. */
const PATHS = 'other-icmp,other-tcp,node-pod,no-nat-other,outside';

describe.skipIf(!available || cases.length === 0).each(cases)(
  'flanneld beside ours on %s, IPv%s',
  (store, ipv) => {
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
      const shape = [
        '--nodes',
        '3',
        '--ipv',
        ipv,
        '--store',
        store,
        '--flannel',
        '1,2',
        '--firewall',
        'none',
      ];
      const { rows } = await lab.up(...shape);
      expect(idsOf(rows, 'passed')).toHaveLength(rows.length);
      flannels = await look();
    }, 2 * COMMAND_TIMEOUT);
    afterAll(async () => {
      await lab[Symbol.asyncDispose]();

      test(
        'from flanneld to ours and back while pods talk: no connection is lost, nothing that flanneld would not lose',
        async () => {
          await lab.must('agent', '1', 'flanneld');
          const { out } = await lab.must('changeover', '1');
          // Beside ours stand the figures of flanneld itself.
          const told = out.split('\n').filter((line) => line.includes('connections lost'));
          process.stdout.write(`${store}, IPv${ipv}:\n${told.join('\n')}\n`);
          expect(told).toHaveLength(5);
        },
        2 * COMMAND_TIMEOUT,
      );
    });

    test(
      'ours takes over what flanneld left: the same lease to the byte, nothing in the kernel but routes changed',
      async () => {
        await lab.must('agent', '1', 'underpod');
        const ours = await look();
        expect(ours.published).toBe(flannels.published);
        expect(forbidden(differences(flannels.state, ours.state))).toEqual([]);
        await pathsWork();
      },
      2 * COMMAND_TIMEOUT,
    );

    test(
      'flanneld takes over what ours left',
      async () => {
        await lab.must('agent', '1', 'flanneld');
        const again = await look();
        expect(again.published).toBe(flannels.published);
        await pathsWork();
      },
      2 * COMMAND_TIMEOUT,
    );

    test(
      'after a power cut ours builds what flanneld builds',
      async () => {
        await lab.must('reboot', '1', 'flanneld');
        flannels = await look();
        await lab.must('reboot', '1', 'underpod');
        const ours = await look();
        expect(forbidden(differences(withoutMacs(flannels.state), withoutMacs(ours.state)))).toEqual([]);
        const macs = /[0-9a-f]{2}(:[0-9a-f]{2}){5}/g;
        expect(ours.published.replaceAll(macs, 'MAC')).toBe(flannels.published.replaceAll(macs, 'MAC'));
        await pathsWork();
      },
      2 * COMMAND_TIMEOUT,
    );
  },
);

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
