import { describe, expect, test } from 'vitest';
import { ip } from '../../../shared/netlink/testing/golden.ts';
import { isExists } from '../../../shared/nftables/error.ts';
import { FakeNftables } from '../../../shared/nftables/fake.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import type { Wanted } from './config.ts';
import type { AddMode } from './nft-rules.ts';
import { appendFirewall, appendRemoval, findMissingRule, firewallTable, podSets } from './nft-rules.ts';

const key: AttachmentKey = { network: 'net', containerId: 'c1', ifname: 'eth0' };
const other: AttachmentKey = { ...key, containerId: 'c2' };
const wanted: Wanted = {
  addresses: [ip('10.1.0.5'), ip('fd00::5')],
  adminChain: 'CNI-ADMIN',
  isolation: { bridge: 'br0', isolated: true },
};

function plan(nft: FakeNftables, owner: AttachmentKey, what: Wanted, mode: AddMode = 'create'): Transaction {
  const transaction = new Transaction();
  appendFirewall(transaction, { labels: nft.listRuleLabels(firewallTable) }, owner, what, mode);
  return transaction;
}

const comments = (nft: FakeNftables): string[] =>
  [...nft.listElements(podSets[4]), ...nft.listElements(podSets[6])].map(({ comment = '' }) => comment);

describe('the plan of backend nftables', () => {
  test('makes everything once; after that only the addresses', () => {
    const nft = new FakeNftables();
    expect(findMissingRule(nft.listRuleLabels(firewallTable), wanted)).toMatch(/not whole/);
    nft.run(plan(nft, key, wanted));
    expect(findMissingRule(nft.listRuleLabels(firewallTable), wanted)).toBeUndefined();
    const rules = nft.listRules(firewallTable);
    const next = plan(nft, other, { ...wanted, addresses: [ip('10.1.0.6')] });
    expect(next.operations.map(({ verb }) => verb)).toEqual(['create']);
    nft.run(next);
    expect(nft.listRules(firewallTable)).toEqual(rules);
  });

  test('adds what another network wants besides', () => {
    const nft = new FakeNftables();
    nft.run(plan(nft, key, wanted));
    const more: Wanted = {
      ...wanted,
      addresses: [],
      adminChain: 'mine',
      isolation: { bridge: 'br1', isolated: false },
    };
    expect(findMissingRule(nft.listRuleLabels(firewallTable), more)).toMatch(/mine/);
    nft.run(plan(nft, other, more));
    expect(findMissingRule(nft.listRuleLabels(firewallTable), more)).toBeUndefined();
    const stricter: Wanted = { ...more, isolation: { bridge: 'br1', isolated: true } };
    expect(findMissingRule(nft.listRuleLabels(firewallTable), stricter)).toMatch(/br1/);
  });

  test('leaves one of each rule that ADDs made twice, each before it saw the other’s', () => {
    const nft = new FakeNftables();
    const next = { ...wanted, addresses: [ip('10.1.0.6')] };
    const [one, two] = [plan(nft, key, wanted), plan(nft, other, next)];
    nft.run(one);
    const rules = nft.listRules(firewallTable);
    nft.run(two);
    expect(nft.listRules(firewallTable)).toHaveLength(2 * rules.length);
    nft.run(plan(nft, other, { ...wanted, addresses: [] }));
    const place = (all: typeof rules): unknown[] => all.map((rule) => ({ ...rule, handle: undefined }));
    expect(place(nft.listRules(firewallTable))).toEqual(place(rules));
    expect(plan(nft, other, { ...wanted, addresses: [] }).isEmpty).toBe(true);
  });

  test('takes an address over from whoever left it behind', () => {
    const nft = new FakeNftables();
    nft.run(plan(nft, key, wanted));
    expect(() => nft.run(plan(nft, other, wanted))).toThrow();
    try {
      nft.run(plan(nft, other, wanted));
    } catch (error) {
      expect(isExists(error)).toBe(true);
    }
    nft.run(plan(nft, other, wanted, 'replace'));
    for (const comment of comments(nft)) expect(comment).toContain('id: c2');
  });

  test('removes by comment, in both families', () => {
    const nft = new FakeNftables();
    nft.run(plan(nft, key, wanted));
    nft.run(plan(nft, other, { ...wanted, addresses: [ip('10.1.0.6')] }));
    const transaction = new Transaction();
    const elements = { 4: nft.listElements(podSets[4]), 6: nft.listElements(podSets[6]) };
    appendRemoval(transaction, elements, (comment) => comment.endsWith('id: c1'));
    nft.run(transaction);
    expect(comments(nft)).toEqual([expect.stringContaining('id: c2')]);
  });
});
