/** A node behind NAT: with a forwarded port for VXLAN, and with WireGuard, which keeps its way in open by itself. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { executable } from '../build/executable.ts';
import { kernelHas } from '../testing/kernel-features.ts';
import { coverWithTmpfs, freshNetns, run, TemporaryDirectory } from '../testing/netns.ts';
import { slowness } from '../testing/slowness.ts';

const available = freshNetns();

/** `inside` hides behind `router`, whose address is all that `outside` can reach. */
const ROUTER = '203.0.113.1';
const OUTSIDE = '203.0.113.2';
type Node = 'inside' | 'outside';
const nodes: readonly Node[] = ['inside', 'outside'];

const LIMIT_MS = 20_000 * slowness;
const TEST_MS = 4 * LIMIT_MS;

/** How long the router remembers a flow that is silent, in seconds, and a silence that outlasts that for certain. */
const MEMORY = 4;
const SILENCE_MS = 2 * MEMORY * 1000;

async function until(what: string, such: () => boolean): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!such()) {
    if (performance.now() > deadline) throw new Error(`not so in ${LIMIT_MS} ms: ${what}`);
    await Bun.sleep(50);
  }
}

describe.skipIf(!available)('a node behind NAT', () => {
  const underpod = available ? executable() : '';
  let directory: TemporaryDirectory;
  let agents: ChildProcess[] = [];

  const on = (node: string, ...command: string[]): string => run('ip', 'netns', 'exec', node, ...command);
  const subnetOf = (node: Node): string | undefined => {
    const path = directory.join(`${node}/subnet.env`);
    return existsSync(path) ? /FLANNEL_SUBNET=(.*)/.exec(readFileSync(path, 'utf8'))?.[1] : undefined;
  };
  const podOf = (node: Node): string => subnetOf(node)?.replace(/\/.*/, '') ?? '';
  /** Whether a pod of a node hears from one of the other. */
  const answers = (from: Node, to: Node): boolean => {
    try {
      on(from, 'ping', '-q', '-c', '1', '-W', '1', '-I', podOf(from), podOf(to));
      return true;
    } catch {
      return false;
    }
  };
  const learnt = (node: Node): boolean =>
    subnetOf(node) !== undefined && run('ip', '-n', node, 'route', 'show', 'proto', '93') !== '';

  /** Starts both agents and waits until each knows the other; pods are addresses of `lo`. */
  const startAgents = async (backend: object, device: string): Promise<void> => {
    writeFileSync(
      directory.join('net-conf.json'),
      JSON.stringify({ Network: '10.244.0.0/16', Backend: backend }),
    );
    for (const node of nodes) {
      const own = directory.join(node);
      mkdirSync(own);
      const agent = [
        underpod,
        'agent',
        '--metrics-port=0',
        '--iface=eth0',
        `--store=${directory.join('store.db')}`,
      ];
      const files = [
        `--net-config-path=${directory.join('net-conf.json')}`,
        ...[`--state-dir=${own}`, `--run-dir=${own}/run`, `--subnet-file=${own}/subnet.env`],
      ];
      const published = node === 'inside' ? [`--public-ip=${ROUTER}`] : [];
      const [program = '', ...args] = [
        ...['setpriv', '--pdeathsig=KILL', 'ip', 'netns', 'exec', node],
        ...[...agent, ...files, ...published],
      ];
      const env = { PATH: process.env['PATH'] ?? '', NODE_NAME: node, WIREGUARD_KEY_FILE: `${own}/wgkey` };
      agents.push(spawn(program, args, { env, stdio: ['ignore', 'ignore', 'inherit'] }));
    }
    await until('both nodes know each other', () => nodes.every(learnt));
    for (const node of nodes) {
      run('ip', '-n', node, 'address', 'add', `${podOf(node)}/32`, 'dev', 'lo');
      expect(run('ip', '-n', node, 'route', 'show', 'proto', '93')).toContain(device);
    }
  };

  beforeEach(() => {
    directory = new TemporaryDirectory();
    coverWithTmpfs('/run');
    mkdirSync('/run/netns');
    const commands = `
      ip netns add inside; ip netns add router; ip netns add outside
      ip -n inside link add eth0 type veth peer name in0 netns router
      ip -n outside link add eth0 type veth peer name out0 netns router
      ip -n inside address add 192.168.0.2/24 dev eth0; ip -n router address add 192.168.0.1/24 dev in0
      ip -n router address add ${ROUTER}/24 dev out0; ip -n outside address add ${OUTSIDE}/24 dev eth0
      for n in inside router outside; do ip -n $n link set lo up; done
      ip -n inside link set eth0 up; ip -n outside link set eth0 up
      ip -n router link set in0 up; ip -n router link set out0 up
      ip -n inside route add default via 192.168.0.1
      ip -n outside route add blackhole 192.168.0.0/24
      ip netns exec router sysctl -qw net.ipv4.ip_forward=1
      ip netns exec router nft 'add table ip nat; add chain ip nat out { type nat hook postrouting priority 100; }
        add rule ip nat out oif "out0" masquerade; add chain ip nat in { type nat hook prerouting priority -100; }'
      ip netns exec router sysctl -qw net.netfilter.nf_conntrack_udp_timeout=${MEMORY} net.netfilter.nf_conntrack_udp_timeout_stream=${MEMORY}`;
    run('sh', '-ec', commands);
  });
  afterEach(async () => {
    const ended = agents.map((agent) => new Promise((resolve) => agent.once('exit', resolve)));
    for (const agent of agents) agent.kill('SIGKILL');
    await Promise.all(ended);
    agents = [];
    for (const name of [...nodes, 'router']) run('ip', 'netns', 'delete', name);
    directory[Symbol.dispose]();
  });

  test(
    'is reached by VXLAN through a forwarded port, and not without',
    async () => {
      await startAgents({ Type: 'vxlan' }, 'flannel.1');
      expect(answers('outside', 'inside')).toBe(false);
      // The flow that went nowhere would go on so.
      await Bun.sleep(SILENCE_MS);
      on('router', 'nft', 'add rule ip nat in iif "out0" udp dport 8472 dnat to 192.168.0.2');
      await until('pods talk', () => answers('outside', 'inside'));
      expect(answers('inside', 'outside')).toBe(true);
    },
    TEST_MS,
  );

  const wireguard = describe.skipIf(!available || !kernelHas('wireguard'));
  wireguard('with WireGuard', () => {
    /** Once `inside` has spoken, `outside` knows the way. */
    const introduce = async (): Promise<void> => {
      await until('pods talk', () => answers('inside', 'outside'));
      expect(answers('outside', 'inside')).toBe(true);
    };

    test(
      'and keepalives is reached after any silence: where it was heard from counts, not what it published',
      async () => {
        await startAgents({ Type: 'wireguard', PersistentKeepaliveInterval: 1 }, 'flannel-wg');
        await introduce();
        // Longer than the agent takes to look after its peers, so that it would have put the published port back.
        await Bun.sleep(SILENCE_MS);
        expect(answers('outside', 'inside')).toBe(true);
      },
      TEST_MS,
    );

    test(
      'and none is forgotten by the router, until it speaks itself',
      async () => {
        await startAgents({ Type: 'wireguard' }, 'flannel-wg');
        await introduce();
        // A flow that the outside's tries keep alive would prove nothing: nobody says a word meanwhile.
        await Bun.sleep(SILENCE_MS);
        expect(answers('outside', 'inside')).toBe(false);
        await introduce();
      },
      TEST_MS,
    );
  });
});
