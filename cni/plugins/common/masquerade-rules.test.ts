import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { FakeNftables } from '../../../shared/nftables/fake.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import type { AttachmentKey } from './attachment.ts';
import {
  appendBase,
  appendPodRules,
  attachmentComment,
  attachmentCommentPrefix,
  baseRuleCount,
  masqueradeTable,
  networkCommentPrefix,
  podChain,
  readComment,
} from './masquerade-rules.ts';

const pod: AttachmentKey = { network: 'cbr0', containerId: 'abc', ifname: 'eth0' };
const name = fc.stringMatching(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,100}$/);
const key: fc.Arbitrary<AttachmentKey> = fc.record({
  network: name,
  containerId: name,
  ifname: fc.stringMatching(/^[a-z][a-z0-9,"=]{0,12}$/),
});

describe('comments', () => {
  test('are upstream’s: two hashes, then names', () => {
    // printf cbr0 | sha512sum; printf eth0:abc | sha512sum
    expect(attachmentComment(pod)).toMatch(/^[0-9a-f]{16}-[0-9a-f]{16}, net: cbr0, if: eth0, id: abc$/);
    expect(attachmentComment(pod).startsWith(networkCommentPrefix('cbr0'))).toBe(true);
  });

  test('fit, begin with the attachment’s prefix, and lead back to it or to nothing', () => {
    fc.assert(
      fc.property(key, (attachment) => {
        const comment = attachmentComment(attachment);
        expect(new TextEncoder().encode(comment).length).toBeLessThanOrEqual(128);
        expect(comment.startsWith(attachmentCommentPrefix(attachment))).toBe(true);
        const read = readComment(attachment.network, comment);
        if (read !== undefined) expect(read).toEqual(attachment);
        if (comment.length < 128 && !attachment.ifname.includes('"')) expect(read).toEqual(attachment);
      }),
    );
  });

  test('of other networks and other programs say nothing', () => {
    expect(readComment('other', attachmentComment(pod))).toBeUndefined();
    expect(readComment('cbr0', 'kube-proxy')).toBeUndefined();
    expect(readComment('cbr0', '')).toBeUndefined();
  });
});

describe('rules', () => {
  const addresses = ['10.1.0.2/24', 'fd00::2/64'].map((text) => {
    const cidr = parseCidr(text);
    if (!cidr) throw new Error(text);
    return cidr;
  });
  const rules = (nft: FakeNftables, chain: string) => nft.listRuleLabels(masqueradeTable, chain);

  /** A transaction that is run; with `base` the table is written before. */
  const add = (nft: FakeNftables, containerId: string, base: boolean): void => {
    const transaction = new Transaction();
    if (base) appendBase(transaction);
    appendPodRules(transaction, { ...pod, containerId }, addresses);
    nft.run(transaction);
  };

  test('one for each of a pod’s addresses; the base chain is the same however often it is written', () => {
    const nft = new FakeNftables();
    add(nft, 'abc', true);
    add(nft, 'def', true);
    add(nft, 'ghi', false);
    expect(rules(nft, podChain.name)).toHaveLength(6);
    expect(rules(nft, 'postrouting')).toHaveLength(baseRuleCount);
  });

  test('are deleted by their handles', () => {
    const nft = new FakeNftables();
    add(nft, 'abc', true);
    add(nft, 'def', false);
    const prefix = attachmentCommentPrefix(pod);
    const transaction = new Transaction();
    const own = rules(nft, podChain.name).filter(({ comment }) => comment?.startsWith(prefix));
    transaction.deleteRules(own);
    nft.run(transaction);
    expect(rules(nft, podChain.name).map(({ comment }) => comment)).toEqual(
      Array(2).fill(attachmentComment({ ...pod, containerId: 'def' })),
    );
  });
});
