import { expect, test } from 'vitest';
import { FakeKernel } from '../../cni/agent/kernel/fake-kernel.ts';
import type { AgentStatus } from '../../cni/agent/status.ts';
import type { CommandResult } from '../../shared/iptables/programs.ts';
import { Transaction } from '../../shared/nftables/transaction.ts';
import { forwardDrops, tunnelInput } from './filters.ts';

const NETWORKS = ['10.244.0.0/16', 'fd00:244::/48'];
const PLACE = 'chain filter_FORWARD of table inet firewalld';
const ZONE = { '10.244.0.0/16': true, 'fd00:244::/48': true };

/** A node whose firewalld drops what its zones do not accept. */
function firewalldWith(answer?: (network: string) => Partial<CommandResult>): FakeKernel {
  const kernel = new FakeKernel();
  kernel.nftables.run(
    new Transaction().add({ kind: 'table', family: 'inet', name: 'firewalld' }).add({
      kind: 'chain',
      family: 'inet',
      table: 'firewalld',
      name: 'filter_FORWARD',
      base: { type: 'filter', hook: 'forward', priority: 10, policy: 'drop' },
    }),
  );
  if (answer)
    kernel.programs.set('firewall-cmd', (argv) => {
      const query = argv.find((word) => word.startsWith('--query-source='));
      if (!query) throw new Error(`a check changes nothing: ${argv.join(' ')}`);
      return answer(query.slice(query.indexOf('=') + 1));
    });
  return kernel;
}

test.each<[string, FakeKernel, string[], string[]]>([
  ['trusted by firewalld', firewalldWith((network) => ({ code: network in ZONE ? 0 : 1 })), [], []],
  [
    'not trusted any more, whatever the agent says',
    firewalldWith((network) => ({ code: network.includes(':') ? 1 : 0 })),
    [PLACE],
    [PLACE],
  ],
  ['nobody to ask, and the agent has seen to it', firewalldWith(), [PLACE], []],
  ['nobody to ask, and the agent has not', firewalldWith(), [], [PLACE]],
  ['a firewalld that does not run', firewalldWith(() => ({ code: 252 })), [], [PLACE]],
])('a firewalld that drops: %s', async (_what, kernel, forwardAccepts, expected) => {
  const found = await forwardDrops(kernel, NETWORKS, { rules: 'nftables', forwardAccepts });
  expect(found).toEqual({ forwardDrops: expected });
});

test('a table that its program cannot print is not one that lets everything in', async () => {
  const kernel = new FakeKernel();
  kernel.legacy.set(4, 'rules');
  kernel.programs.set('iptables-legacy', () => ({}));
  kernel.programs.set('iptables-legacy-save', () => ({ code: 4, stderr: 'somebody holds the xtables lock' }));
  const status = { underlays: [{ interface: 'eth0', address: '192.0.2.1' }], peers: {} };
  const traffic = { kind: 'vxlan', port: 8472, what: 'UDP port 8472' } as const;
  expect(await tunnelInput(kernel, traffic, status as unknown as AgentStatus)).toEqual({
    what: 'UDP port 8472',
    chains: [{ place: 'INPUT of iptables (legacy)', verdict: 'unsure' }],
  });
});

test('an accept of ours that somebody took out of another chain is missed, though the agent had put it there', async () => {
  const kernel = new FakeKernel();
  kernel.nftables.run(
    new Transaction().add({ kind: 'table', family: 'inet', name: 'h' }).add({
      kind: 'chain',
      family: 'inet',
      table: 'h',
      name: 'f',
      base: { type: 'filter', hook: 'forward', priority: 0, policy: 'drop' },
    }),
  );
  const place = 'chain f of table inet h';
  const found = await forwardDrops(kernel, NETWORKS, { rules: 'nftables', forwardAccepts: [place] });
  expect(found).toEqual({ forwardDrops: [place] });
});
