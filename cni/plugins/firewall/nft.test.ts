import { existsSync, unlinkSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { lockAttachment } from '../common/attachment-lock.ts';
import { dualStack, network, reaches } from '../testing/bridge.ts';
import type { Container, Json } from '../testing/node.ts';
import { list, nftJson, run, TestNode } from '../testing/node.ts';
import { ownChains } from './config.ts';
import { addByNftables } from './nft-backend.ts';
import { recordDirectory } from './record.ts';

const bridgeSysctl = '/proc/sys/net/bridge/bridge-nf-call-iptables';

const node = TestNode.enter() as TestNode;
afterEach(() => node?.reset());

const firewall = (net: Json, previous: Json | undefined, more: Json = {}): Json => ({
  cniVersion: '1.1.0',
  name: net['name'],
  type: 'firewall',
  backend: 'nftables',
  ...(previous ? { prevResult: previous } : {}),
  ...more,
});

interface Pod {
  readonly net: Json;
  readonly pod: Container;
  readonly conf: Json;
  readonly address: string;
}

/** A bridged pod with the firewall plugin after the bridge. */
async function add(net: Json, more: Json = {}): Promise<Pod> {
  const pod = node.container();
  const previous = await node.ok('ADD', net, pod);
  const conf = firewall(net, previous, more);
  expect(await node.ok('ADD', conf, pod)).toEqual(previous);
  const address = (previous['ips'] as { address: string }[])[0]?.address.split('/')[0] ?? '';
  return { net, pod, conf, address };
}

const gateway = (ranges?: unknown): Json => network({ isDefaultGateway: true }, ranges);

/** True if a container gets no answer from an address within a second; `reaches` waits longer, for an answer. */
function isCutOff(from: Container, target: string): boolean {
  const ping = `ip netns exec ${from.id} ping -q -c1 -W1 ${target} || true`;
  return / 0 received/.test(run('sh', '-c', ping));
}

/** The elements of both sets, as nft tells them. */
function elements(): string[] {
  const { nftables } = nftJson('list', 'ruleset');
  return nftables.flatMap((entry) => {
    const set = entry['set'] as { table: string; elem?: (string | { elem: { val: string } })[] } | undefined;
    if (set?.table !== 'underpod_firewall') return [];
    return (set.elem ?? []).map((one) => (typeof one === 'string' ? one : one.elem.val));
  });
}

const ruleset = (): string => run('nft', 'list', 'table', 'inet', 'underpod_firewall');

describe.skipIf(!node)('backend nftables', () => {
  test('ADD makes the table that it says, and DEL empties its sets, twice', async () => {
    const { pod, conf, address } = await add(gateway(dualStack));
    expect(elements().sort()).toEqual([address, 'fd00:200::2'].sort());
    expect(ruleset().replace(/elements = \{[^}]*\}/g, 'elements')).toBe(`table inet underpod_firewall {
	comment "pods of CNI networks with the firewall plugin"
	set pods4 {
		type ipv4_addr
		elements
	}

	set pods6 {
		type ipv6_addr
		elements
	}

	chain isolation {
	}

	chain isolation-out {
	}

	chain admins {
		jump CNI-ADMIN comment "CNI-ADMIN"
	}

	chain pods {
		jump admins
		ip daddr @pods4 ct state established,related accept
		ip saddr @pods4 accept
		ip6 daddr @pods6 ct state established,related accept
		ip6 saddr @pods6 accept
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		jump isolation
		jump pods
	}

	chain CNI-ADMIN {
	}
}
`);
    await node.ok('CHECK', conf, pod);
    await node.ok('ADD', conf, pod);
    expect(elements()).toHaveLength(2);
    await node.ok('DEL', conf, pod);
    await node.ok('DEL', conf, pod);
    expect(elements()).toEqual([]);
    expect((await node.call('CHECK', conf, pod)).json).toMatchObject({ code: 100 });
  });

  test('what an administrator changed stays, and what is broken is mended', async () => {
    const net = gateway();
    const one = await add(net, { iptablesAdminChainName: 'mine' });
    run('nft', 'add', 'rule', 'inet', 'underpod_firewall', 'mine', 'ip', 'saddr', '192.0.2.1', 'drop');
    run('nft', 'chain', 'inet', 'underpod_firewall', 'forward', '{ policy drop; }');
    run('nft', 'flush', 'chain', 'inet', 'underpod_firewall', 'pods');
    expect((await node.call('CHECK', one.conf, one.pod)).json).toMatchObject({ code: 100 });
    await add(net, { iptablesAdminChainName: 'mine' });
    await node.ok('CHECK', one.conf, one.pod);
    expect(ruleset()).toContain('ip saddr 192.0.2.1 drop');
    expect(ruleset()).toContain('policy drop');
  });

  test('a rule that ADDs made twice, at the same time, is there once after the next', async () => {
    const net = gateway();
    await add(net);
    const rule = ['admins', 'jump', 'CNI-ADMIN', 'comment', '"CNI-ADMIN"'];
    run('nft', 'add', 'rule', 'inet', 'underpod_firewall', ...rule);
    expect(ruleset().match(/jump CNI-ADMIN/g)).toHaveLength(2);
    await add(net);
    expect(ruleset().match(/jump CNI-ADMIN/g)).toHaveLength(1);
  });

  test('where the chain drops, pods with the plugin get through and others do not', async () => {
    const [with_, far, without] = [await add(gateway()), await add(gateway()), await add(gateway())];
    await node.ok('DEL', without.conf, without.pod);
    run('nft', 'chain', 'inet', 'underpod_firewall', 'forward', '{ policy drop; }');
    expect(reaches(with_.pod, far.address)).toBe(true);
    expect(isCutOff(without.pod, far.address)).toBe(true);
  });

  test('an address that a stale attachment left behind becomes the next one’s', async () => {
    const first = await add(gateway());
    const pod = node.container();
    await node.ok('ADD', first.conf, pod);
    await node.ok('DEL', firewall(first.net, undefined), first.pod);
    expect(elements()).toEqual([first.address]);
    await node.ok('CHECK', first.conf, pod);
    await node.ok('DEL', firewall(first.net, undefined), pod);
    expect(elements()).toEqual([]);
  });

  test('GC removes what is not valid of its network, and not what runs', async () => {
    const net = gateway();
    const [stale, valid, foreign] = [await add(net), await add(net), await add(gateway())];
    const gc = firewall(net, undefined, {
      'cni.dev/valid-attachments': [{ containerID: valid.pod.id, ifname: 'eth0' }],
    });
    {
      using _running = lockAttachment({
        network: String(net['name']),
        containerId: stale.pod.id,
        ifname: 'eth0',
      });
      await node.ok('GC', gc);
      expect(elements()).toHaveLength(3);
    }
    await node.ok('GC', gc);
    expect(elements().sort()).toEqual([valid.address, foreign.address].sort());
  });

  test('DEL finds the elements when another backend is chosen by then', async () => {
    const { pod, conf } = await add(gateway(dualStack));
    expect(elements()).toHaveLength(2);
    await node.ok('DEL', { ...conf, backend: 'iptables' }, pod);
    expect(elements()).toEqual([]);
  });

  test('DEL by nftables removes what ADD noted of another backend, of some of the addresses', async () => {
    const { pod, conf } = await add(gateway(dualStack), { backend: 'iptables' });
    unlinkSync(`${recordDirectory}/fd00:200::2`);
    await node.ok('DEL', { ...conf, backend: 'nftables' }, pod);
    expect(run('iptables-save', '-t', 'filter')).not.toMatch(/-A CNI-FORWARD -[sd]/);
    expect(list(recordDirectory)).toEqual([]);
  });

  test.each([...ownChains])(
    'the administrators’ chain is not its own chain %s; DEL is fine',
    async (name) => {
      const pod = node.container();
      const prevResult = { cniVersion: '1.0.0', ips: [{ address: '10.1.0.5/24' }] };
      const conf = firewall(network(), prevResult, { iptablesAdminChainName: name });
      const { json } = await node.call('ADD', conf, pod);
      expect(json).toMatchObject({ code: 7, msg: expect.stringContaining(`"${name}"`) });
      expect(run('nft', 'list', 'tables')).toBe('');
      await node.ok('DEL', conf, pod);
    },
  );

  test('nor where nftables is taken without being configured', () => {
    const key = { network: 'net', containerId: 'c1', ifname: 'eth0' };
    const wanted = { addresses: [], adminChain: 'pods', isolation: undefined };
    return expect(addByNftables(key, wanted)).rejects.toMatchObject({ code: 7 });
  });

  test('DEL in a node without the table is fine', async () => {
    await node.ok('DEL', firewall(network(), undefined), node.container());
    expect(run('nft', 'list', 'tables')).toBe('');
  });
});

describe.skipIf(!node).each(['nftables', 'iptables'])('isolation by %s', (backend) => {
  test('same-bridge: bridges with the policy do not reach each other; pods of one, and other bridges, do', async () => {
    const near = gateway();
    const policy = { backend, ingressPolicy: 'same-bridge' };
    const [one, two, far] = [await add(near, policy), await add(near, policy), await add(gateway(), policy)];
    const open = await add(gateway(), { backend });
    expect(reaches(one.pod, two.address)).toBe(true);
    expect(isCutOff(one.pod, far.address)).toBe(true);
    expect(isCutOff(far.pod, one.address)).toBe(true);
    expect(reaches(one.pod, open.address)).toBe(true);
    await node.ok('CHECK', one.conf, one.pod);
    // It was the policy that kept them apart.
    run('nft', 'flush', 'ruleset');
    expect(reaches(one.pod, far.address)).toBe(true);
  });

  // Without the module rules see nothing of what stays on a bridge, as with 0.
  test.each(existsSync(bridgeSysctl) ? ['0', '1'] : ['absent'])(
    'isolated: pods of a bridge do not reach each other, bridge-nf-call-iptables=%s',
    async (value) => {
      if (value !== 'absent') writeFileSync(bridgeSysctl, value);
      const near = gateway();
      const policy = { backend, ingressPolicy: 'isolated' };
      const [one, two] = [await add(near, policy), await add(near, policy)];
      const outside = await add(gateway(), { backend });
      expect(isCutOff(one.pod, two.address)).toBe(true);
      expect(isCutOff(two.pod, one.address)).toBe(true);
      expect(reaches(one.pod, outside.address)).toBe(true);
      await node.ok('CHECK', one.conf, one.pod);
    },
  );

  test('CHECK misses it', async () => {
    const one = await add(gateway(), { backend, ingressPolicy: 'isolated' });
    const [family, table, chain] =
      backend === 'nftables'
        ? ['inet', 'underpod_firewall', 'isolation']
        : ['ip', 'filter', 'CNI-ISOLATION-STAGE-1'];
    run('nft', 'flush', 'chain', family ?? '', table ?? '', chain ?? '');
    expect((await node.call('CHECK', one.conf, one.pod)).json).toMatchObject({ code: 100 });
  });
});
