import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseNetConf } from '../config/net-conf.ts';
import { type Cidr, formatCidr, overlaps, parseCidr } from '../ip/cidr.ts';
import { isOutOfSubnets } from './errors.ts';
import type { WantedSubnets } from './registry.ts';
import { fitsNetwork, freeSubnets, type PodNetworks, planSubnets } from './subnet-allocator.ts';

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`not a CIDR: ${text}`);
  return parsed;
}

const dual = parseNetConf(
  JSON.stringify({ Network: '10.244.0.0/16', EnableIPv6: true, IPv6Network: 'fd00:244::/48' }),
);
const first = (): number => 0;
const last = (below: number): number => below - 1;

describe('freeSubnets', () => {
  const conf = parseNetConf('{"Network":"10.244.0.0/20"}').ipv4;
  if (conf === undefined) throw new Error('IPv4 is on');

  test('skips what is taken, in any order, whatever its length', () => {
    const taken = ['10.244.9.0/24', '10.244.2.0/23', '10.244.4.128/25', '10.244.6.7/32', '10.0.0.0/24'].map(
      cidr,
    );
    expect(freeSubnets(conf, taken).map(formatCidr)).toEqual(
      [1, 5, 7, 8, 10, 11, 12, 13, 14, 15].map((n) => `10.244.${n}.0/24`),
    );
  });

  test('stops at the limit', () => {
    expect(freeSubnets(conf, [], 2).map(formatCidr)).toEqual(['10.244.1.0/24', '10.244.2.0/24']);
  });

  test('subnets of the other family take nothing', () => {
    expect(freeSubnets(conf, [cidr('::/0')])).toHaveLength(15);
  });

  test('a whole network that is taken leaves nothing', () => {
    expect(freeSubnets(conf, [cidr('10.0.0.0/8')])).toEqual([]);
  });
});

describe('planSubnets', () => {
  const show = (plan: WantedSubnets): (string | undefined)[] =>
    [plan.subnet, plan.subnetV6].map((subnet) => subnet && formatCidr(subnet));

  test('draws from the first 100 free ones', () => {
    expect(show(planSubnets(dual, [], [], first))).toEqual(['10.244.1.0/24', 'fd00:244:0:1::/64']);
    expect(show(planSubnets(dual, [], [], last))).toEqual(['10.244.100.0/24', 'fd00:244:0:64::/64']);
  });

  test('the first wish that fits and is free wins, each family for itself', () => {
    const wishes = [
      { subnet: cidr('10.244.7.0/24') },
      { subnet: cidr('10.244.8.0/24'), subnetV6: cidr('fd00:244:0:8::/64') },
    ];
    expect(show(planSubnets(dual, wishes, [], last))).toEqual(['10.244.7.0/24', 'fd00:244:0:8::/64']);
    const taken = [cidr('10.244.7.0/25')];
    expect(show(planSubnets(dual, wishes, taken, last))).toEqual(['10.244.8.0/24', 'fd00:244:0:8::/64']);
  });

  test.each(['10.244.0.0/24', '10.244.7.0/25', '10.244.7.1/24', '10.245.1.0/24', 'fd00:244:0:8::/64'])(
    'a wish for %s does not fit and is passed over',
    (wish) => {
      expect(show(planSubnets(dual, [{ subnet: cidr(wish) }], [], first))[0]).toBe('10.244.1.0/24');
    },
  );

  test('says what to do when nothing is free', () => {
    const small: PodNetworks = parseNetConf('{"Network":"10.0.0.0/28"}');
    const taken = ['10.0.0.4/30', '10.0.0.8/30', '10.0.0.12/30'].map(cidr);
    let caught: unknown;
    try {
      planSubnets(small, [], taken, first);
    } catch (error) {
      caught = error;
    }
    expect(isOutOfSubnets(caught)).toBe(true);
    expect(String(caught)).toContain('underpod delete node/NAME');
  });

  test('a million IPv6 subnets cost nothing', () => {
    const wide: PodNetworks = parseNetConf(
      '{"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00::/16"}',
    );
    const plan = planSubnets(wide, [], [cidr('fd00::/17')], first);
    expect(show(plan)[1]).toBe('fd00:8000::/64');
  });
});

test('no sequence of joins, leaves and wishes ever gives overlapping subnets', () => {
  const networks: PodNetworks = parseNetConf(
    JSON.stringify({ Network: '10.0.0.0/24', SubnetLen: 28, EnableIPv6: true, IPv6Network: 'fd00::/120' }),
  );
  const wish = fc.record(
    {
      subnet: fc
        .tuple(fc.nat(255), fc.integer({ min: 24, max: 32 }))
        .map(([b, len]) => cidr(`10.0.0.${b}/${len}`)),
      subnetV6: fc.nat(255).map((b) => cidr(`fd00::${b.toString(16)}/122`)),
    },
    { requiredKeys: [] },
  );
  const step = fc.record({ join: fc.boolean(), node: fc.nat(20), wish, draw: fc.nat(1000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const given = new Map<number, WantedSubnets>();
      for (const { join, node, wish: want, draw } of steps) {
        const recorded = given.get(node) ?? {};
        given.delete(node);
        if (!join) continue;
        const taken = [...given.values()]
          .flatMap((plan) => [plan.subnet, plan.subnetV6])
          .filter((s) => s !== undefined);
        try {
          given.set(
            node,
            planSubnets(networks, [recorded, want], taken, (below) => draw % below),
          );
        } catch (error) {
          if (!isOutOfSubnets(error)) throw error;
        }
      }
      const plans = [...given.values()];
      for (const [index, plan] of plans.entries()) {
        if (plan.subnet === undefined || plan.subnetV6 === undefined)
          throw new Error('dual stack gives both');
        if (networks.ipv4 === undefined || networks.ipv6 === undefined) throw new Error('both are on');
        expect(fitsNetwork(networks.ipv4, plan.subnet)).toBe(true);
        expect(fitsNetwork(networks.ipv6, plan.subnetV6)).toBe(true);
        for (const other of plans.slice(index + 1)) {
          expect(other.subnet && overlaps(plan.subnet, other.subnet)).toBe(false);
          expect(other.subnetV6 && overlaps(plan.subnetV6, other.subnetV6)).toBe(false);
        }
      }
    }),
  );
});
