import { afterEach, describe, expect, test } from 'vitest';
import { tryLock } from '../../../shared/sys/lock.ts';
import { exists } from '../../../shared/sys/stat.ts';
import { dispatch } from '../../protocol/dispatch.ts';
import { bridge } from '../bridge/delegate.ts';
import { hostLocal } from '../host-local/delegate.ts';
import { network } from '../testing/bridge.ts';
import type { Container, Json } from '../testing/node.ts';
import { list, nothing, TestNode } from '../testing/node.ts';
import { asPlugin } from './as-plugin.ts';
import { gcJournalPath, lockDirectory } from './attachment-lock.ts';
import type { Delegate } from './delegate.ts';
import { withLocks } from './with-locks.ts';

const node = TestNode.enter() as TestNode;
afterEach(() => node?.reset());

/** A GC that keeps nothing, with steps put before its listing and between its halves. */
async function gcWith(
  delegate: Delegate,
  net: Json,
  steps: { before?: () => unknown; between?: () => unknown },
) {
  const staged: Delegate = {
    ...delegate,
    async prepareGc(request) {
      await steps.before?.();
      const remove = await delegate.prepareGc(request);
      return async (keep) => {
        await steps.between?.();
        await remove(keep);
      };
    },
  };
  const answer = await dispatch(withLocks(asPlugin(String(net['type']), '', staged)), {
    env: { CNI_COMMAND: 'GC', CNI_PATH: '/nonexistent' },
    stdin: () => new TextEncoder().encode(JSON.stringify({ ...net, 'cni.dev/valid-attachments': [] })),
  });
  expect(answer.stdout).toBe('');
}

describe.skipIf(!node)('the journal of a GC', () => {
  test('is removed by the next DEL when the GC was killed, and left alone while it runs', async () => {
    const net = network({});
    const [one, other] = [node.container(), node.container()];
    await node.ok('ADD', net, one);
    await node.ok('ADD', net, other);
    const path = gcJournalPath(String(net['name']));
    {
      using running = tryLock(path);
      expect(running).toBeDefined();
      await node.ok('DEL', net, one);
      expect(exists(path)).toBe(true);
    }
    await node.ok('DEL', net, other);
    expect(exists(path)).toBe(false);
  });
});

describe.skipIf(!node)('an ADD that begins and ends while GC runs', () => {
  const name = (net: Json): string => String(net['name']);

  test.each(['before', 'between'])('keeps all that it made: %s listing and removal', async (when) => {
    const net = network({ ipMasq: true });
    const [stale, pod] = [node.container(), node.container()];
    await node.ok('ADD', net, stale);
    await gcWith(bridge, net, { [when]: () => node.ok('ADD', net, pod) });
    expect({ ...node.leftovers(name(net)), rules: [] }).toEqual({
      ...nothing,
      veths: [expect.stringMatching(/^veth/)],
      addresses: [expect.stringMatching(/^10\..*\.3$/)],
    });
    expect(node.masqueradeRules()).toEqual([expect.stringContaining(pod.id)]);
    await node.ok('DEL', net, pod);
    expect(node.leftovers(name(net))).toEqual(nothing);
  });

  test('keeps the address that it got again', async () => {
    const net: Json = {
      cniVersion: '1.1.0',
      name: 'again',
      type: 'host-local',
      ipam: { type: 'host-local', subnet: '10.1.0.0/30' },
    };
    const pod: Container = { id: 'a', ifname: 'eth0', netns: '/nonexistent' };
    await node.ok('ADD', net, pod);
    const again = async (): Promise<void> => {
      await node.ok('DEL', net, pod);
      await node.ok('ADD', net, pod);
    };
    await gcWith(hostLocal, net, { between: again });
    expect(node.addresses('again')).toEqual(['10.1.0.2']);
    await gcWith(hostLocal, net, {});
    expect(node.addresses('again')).toEqual([]);
  });

  test('what a killed GC left keeps nobody, and goes', async () => {
    const net = network();
    const pod = node.container();
    for (const journal of [gcJournalPath(name(net)), gcJournalPath('another')]) tryLock(journal)?.release();
    await node.ok('ADD', net, pod);
    expect(list(lockDirectory)).toHaveLength(2);
    await gcWith(bridge, net, {});
    expect(node.leftovers(name(net))).toEqual(nothing);
  });
});
