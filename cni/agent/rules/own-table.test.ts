import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { silentLogger } from '../../../shared/log/logger.ts';
import { FakeNftables } from '../../../shared/nftables/fake.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import { OwnRules } from './own-rules.ts';
import { OWN_TABLE, ownTable, type RuleSettings } from './own-table.ts';
import { listTable, planTable } from './plan-table.ts';

const available = freshNetns();
const cidr = (text: string): NonNullable<ReturnType<typeof parseCidr>> => parseCidr(text)!;

const settings: RuleSettings = {
  networks: [
    { cluster: cidr('10.244.0.0/16'), node: cidr('10.244.3.0/24') },
    { cluster: cidr('fd00:244::/48'), node: cidr('fd00:244:0:3::/64') },
  ],
  ipMasq: true,
  fullyRandom: true,
  forward: true,
};

function converge(nftables: Nftables, wanted: RuleSettings): number {
  const desired = ownTable(wanted);
  const transaction = planTable(desired, listTable(nftables, desired));
  if (transaction) nftables.run(transaction);
  return transaction?.operations.length ?? 0;
}

describe.skipIf(!available)('in the kernel', () => {
  test("nft prints flannel's rules in flannel's order, for both families", () => {
    using nftables = KernelNftables.open();
    converge(nftables, settings);
    const printed = run('nft', 'list', 'table', OWN_TABLE.family, OWN_TABLE.name);
    const lines = printed.split('\n').map((line) => line.trim().replace(/ comment ".*"$/, ''));
    expect(lines.filter((line) => /^(ip|meta|type)/.test(line))).toEqual([
      'type nat hook postrouting priority srcnat; policy accept;',
      'meta mark & 0x00004000 == 0x00004000 return',
      'ip saddr 10.244.3.0/24 ip daddr 10.244.0.0/16 return',
      'ip saddr 10.244.0.0/16 ip daddr 10.244.3.0/24 return',
      'ip saddr != 10.244.0.0/16 ip daddr 10.244.3.0/24 return',
      'ip saddr 10.244.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random',
      'ip saddr != 10.244.0.0/16 ip daddr 10.244.0.0/16 masquerade fully-random',
      'ip6 saddr fd00:244:0:3::/64 ip6 daddr fd00:244::/48 return',
      'ip6 saddr fd00:244::/48 ip6 daddr fd00:244:0:3::/64 return',
      'ip6 saddr != fd00:244::/48 ip6 daddr fd00:244:0:3::/64 return',
      'ip6 saddr fd00:244::/48 ip6 daddr != ff00::/8 masquerade fully-random',
      'ip6 saddr != fd00:244::/48 ip6 daddr fd00:244::/48 masquerade fully-random',
      'type filter hook forward priority filter; policy accept;',
      'ip saddr 10.244.0.0/16 accept',
      'ip daddr 10.244.0.0/16 accept',
      'ip6 saddr fd00:244::/48 accept',
      'ip6 daddr fd00:244::/48 accept',
    ]);
    // nft accepts what it printed: nothing in it is beyond its grammar.
    run('nft', 'delete', 'table', OWN_TABLE.family, OWN_TABLE.name);
    run('sh', '-ec', `nft -f - <<'END'\n${printed}\nEND`);
    expect(converge(nftables, settings)).toBe(0);
  });

  test('every damage is mended by one transaction, and nothing else is touched', () => {
    using nftables = KernelNftables.open();
    const table = `${OWN_TABLE.family} ${OWN_TABLE.name}`;
    run(
      'sh',
      '-ec',
      'nft add table ip other; nft add chain ip other keep "{ type filter hook forward priority 0; }"',
    );
    for (const damage of [
      `flush ruleset; add table ip other`,
      `delete table ${table}`,
      `flush chain ${table} postrouting`,
      `insert rule ${table} postrouting accept`,
      `add rule ${table} forward drop`,
      `add chain ${table} forward { policy drop; }`,
      `add chain ${table} extra`,
      `add chain ${table} extra { type filter hook input priority 0; }; add rule ${table} extra drop`,
      `add table ${table} { flags dormant; }`,
      `flush chain ${table} forward; delete chain ${table} forward`,
    ]) {
      converge(nftables, settings);
      run('nft', damage);
      expect(converge(nftables, settings), damage).toBeGreaterThan(0);
      expect(converge(nftables, settings), damage).toBe(0);
      expect(run('nft', 'list', 'tables')).toContain('table ip other');
    }
  });

  test('settings may change in any direction', () => {
    using nftables = KernelNftables.open();
    const variants: RuleSettings[] = [
      settings,
      { ...settings, ipMasq: false },
      { ...settings, forward: false },
      { ...settings, fullyRandom: false },
      { ...settings, networks: settings.networks.slice(0, 1) },
      { ...settings, ipMasq: false, forward: false },
    ];
    for (const variant of [...variants, ...variants.toReversed()]) {
      converge(nftables, variant);
      expect(converge(nftables, variant)).toBe(0);
    }
  });
});

test('from any content of the table, one transaction leads to the desired one', () => {
  const anyStep = fc.constantFrom(0, 1, 2, 3, 4);
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 6 }), fc.boolean(), fc.boolean(), (steps, ipMasq, forward) => {
      const nftables = new FakeNftables();
      const wanted = { ...settings, ipMasq, forward };
      for (const step of steps) {
        if (step === 0) converge(nftables, settings);
        if (step === 1) nftables.run(new Transaction().destroyTable(OWN_TABLE));
        if (step === 2) converge(nftables, { ...settings, ipMasq: false });
        const [rule] = nftables.listRules(OWN_TABLE);
        if (step === 3 && rule?.handle !== undefined) {
          nftables.run(new Transaction().deleteRule({ ...rule, handle: rule.handle }));
        }
        if (step === 4 && rule) nftables.run(new Transaction().insert(rule));
      }
      converge(nftables, wanted);
      expect(converge(nftables, wanted)).toBe(0);
      const chains = nftables.listChains(OWN_TABLE).map((chain) => chain.name);
      expect(chains.sort()).toEqual([...(forward ? ['forward'] : []), ...(ipMasq ? ['postrouting'] : [])]);
    }),
    { numRuns: 50 },
  );
});

test('a repair that is not allowed is not made, a change of settings always is', () => {
  const nftables = new FakeNftables();
  let allowed = true;
  const rules = new OwnRules({ nftables, log: silentLogger, allowRepair: () => allowed });
  rules.sync(settings);
  expect(rules.mayDiffer()).toBe(false);
  nftables.run(new Transaction().deleteTable(OWN_TABLE));
  expect(rules.mayDiffer()).toBe(true);
  allowed = false;
  rules.sync(settings);
  expect(nftables.listRules(OWN_TABLE)).toHaveLength(0);
  rules.sync({ ...settings, fullyRandom: false });
  expect(nftables.listRules(OWN_TABLE).length).toBeGreaterThan(0);
});
