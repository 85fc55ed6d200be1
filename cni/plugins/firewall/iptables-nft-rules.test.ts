import { describe, expect, test } from 'vitest';
import { hex, ip } from '../../../shared/netlink/testing/golden.ts';
import type { Expression } from '../../../shared/nftables/model/expression.ts';
import type { Rule } from '../../../shared/nftables/model/rule.ts';
import { findPodRules, isPlainJump, podRulesInNft } from './iptables-nft-rules.ts';

/** As the kernel told it after `iptables -A CNI-FORWARD -d 10.1.0.5/32 -m conntrack --ctstate RELATED,ESTABLISHED …`. */
const conntrack = hex(
  `0e000100636f6e6e747261636b000000 0800020000000003 ac000300 ${'00'.repeat(146)} 0100 0000 0600 ${'00'.repeat(16)}`,
);

const counter: Expression = { kind: 'counter', packets: 7n, bytes: 700n };

function rule(...expressions: Expression[]): Rule {
  return { kind: 'rule', family: 'ip', table: 'filter', chain: 'CNI-FORWARD', expressions, handle: 6n };
}

const accept: Expression = { kind: 'verdict', verdict: { code: 'accept' } };
const payload = (offset: number): Expression => ({
  kind: 'payload',
  base: 'network',
  offset,
  length: 4,
  dest: 0,
});
const address: Expression = { kind: 'cmp', source: 0, op: '==', value: hex('0a010005') };
const match: Expression = { kind: 'opaque', name: 'match', data: conntrack };
const toPod = rule(payload(16), address, match, counter, accept);
const fromPod = rule(payload(12), address, counter, accept);

describe('rules of iptables-nft', () => {
  test('are what iptables 1.8.9 makes', () => {
    expect(conntrack).toHaveLength(16 + 8 + 4 + 168);
    const zero: Expression = { kind: 'counter', packets: 0n, bytes: 0n };
    const [to, from] = podRulesInNft(ip('10.1.0.5'));
    expect(to.expressions).toEqual([payload(16), address, match, zero, accept]);
    expect(from.expressions).toEqual([payload(12), address, zero, accept]);
    const [to6, from6] = podRulesInNft(ip('fd00::5'));
    const value = hex('fd000000000000000000000000000005');
    expect([to6.family, from6.family]).toEqual(['ip6', 'ip6']);
    expect(to6.expressions.slice(0, 3)).toMatchObject([{ offset: 24, length: 16 }, { value }, match]);
    expect(from6.expressions.slice(0, 2)).toMatchObject([{ offset: 8, length: 16 }, { value }]);
  });

  test('are found, each as often as it is there', () => {
    const other = rule(payload(12), { ...address, value: hex('0a010006') } as Expression, counter, accept);
    expect(findPodRules([toPod, other, fromPod, fromPod], ip('10.1.0.5'))).toEqual([
      [toPod],
      [fromPod, fromPod],
    ]);
    expect(findPodRules([other], ip('10.1.0.5'))).toEqual([[], []]);
  });

  test.each([
    ['another verdict', rule(payload(12), address, counter, { kind: 'verdict', verdict: { code: 'drop' } })],
    [
      'another match',
      rule(payload(16), address, { ...match, data: conntrack.slice(8) } as Expression, counter, accept),
    ],
    [
      'one more condition',
      rule(payload(9), { ...address, value: hex('06') } as Expression, ...fromPod.expressions),
    ],
    ['what is not known', { ...fromPod, unknown: [{ type: 5, nested: true, payload: hex('00') }] }],
  ])('are left to the programs where one of the address has %s', (_what, odd) => {
    expect(findPodRules([toPod, odd], ip('10.1.0.5'))).toBeUndefined();
  });

  test('jump plainly with a comment, and not with a condition', () => {
    const comment: Expression = { kind: 'opaque', name: 'match', data: hex('0c000100636f6d6d656e7400') };
    const jump: Expression = { kind: 'verdict', verdict: { code: 'jump', chain: 'CNI-ADMIN' } };
    expect(isPlainJump(rule(comment, counter, jump), 'CNI-ADMIN')).toBe(true);
    expect(isPlainJump(rule(counter, jump), 'CNI-ADMIN')).toBe(true);
    expect(isPlainJump(rule(comment, counter, jump), 'CNI-FORWARD')).toBe(false);
    expect(isPlainJump(rule(payload(12), address, counter, jump), 'CNI-ADMIN')).toBe(false);
    expect(isPlainJump(rule(match, counter, jump), 'CNI-ADMIN')).toBe(false);
    expect(isPlainJump(rule(comment, counter), 'CNI-ADMIN')).toBe(false);
  });
});
