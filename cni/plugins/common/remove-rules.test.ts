import { afterEach, describe, expect, test } from 'vitest';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { isNotFound } from '../../../shared/nftables/error.ts';
import { run, TestNode } from '../testing/node.ts';
import { collectErrors } from './collect-errors.ts';
import { addMasquerade, masqueradeRemoval } from './masquerade.ts';
import { removeRules } from './remove-rules.ts';
import type { RuleRemoval } from './rule-changes.ts';

const node = TestNode.enter() as TestNode;
afterEach(() => node?.reset());

const pod = { network: 'net', containerId: 'abc', ifname: 'eth0' };
const address = parseCidr('10.1.0.2/24');

describe.skipIf(!node)('removals', () => {
  const steps: string[] = [];
  const noting = (name: string, removal: RuleRemoval): RuleRemoval => ({
    before: async (nft) => {
      steps.push(`${name} before`);
      await removal.before?.(nft);
    },
    append: (transaction, nft) => removal.append(transaction, nft),
    afterwards: () => steps.push(`${name} afterwards`),
  });
  const own = noting('own', masqueradeRemoval(pod, []));
  /** What the kernel never does. */
  const refused = noting('refused', {
    append: (transaction) => transaction.deleteTable({ family: 'ip', name: 'nowhere' }),
  });

  afterEach(() => steps.splice(0));

  async function remove(...removals: RuleRemoval[]): Promise<{ changed: boolean; error: unknown }> {
    const errors = collectErrors('DEL');
    using nft = await removeRules(removals, errors);
    try {
      errors.throwIfAny();
      return { changed: nft !== undefined, error: undefined };
    } catch (error) {
      return { changed: nft !== undefined, error };
    }
  }

  test('are carried out, once there is something', async () => {
    expect(await remove(own)).toEqual({ changed: false, error: undefined });
    await addMasquerade(pod, address ? [address] : []);
    expect(node.masqueradeRules()).toHaveLength(1);
    expect(await remove(own)).toEqual({ changed: true, error: undefined });
    expect(node.masqueradeRules()).toEqual([]);
    expect(steps).toEqual(['own before', 'own afterwards', 'own before', 'own afterwards']);
  });

  test('that the kernel refuses keep none of the others', async () => {
    await addMasquerade(pod, address ? [address] : []);
    const { changed, error } = await remove(refused, own);
    expect([changed, isNotFound(error)]).toEqual([true, true]);
    expect(node.masqueradeRules()).toEqual([]);
    expect(steps).toEqual(['refused before', 'own before', 'own afterwards']);
  });

  test('do not take what failed before for done', async () => {
    const failing: RuleRemoval = {
      ...own,
      before: () => {
        throw new Error('iptables is broken');
      },
    };
    await addMasquerade(pod, address ? [address] : []);
    expect(await remove(failing)).toEqual({ changed: true, error: new Error('iptables is broken') });
    expect(run('nft', 'list', 'ruleset')).not.toContain('abc');
    expect(steps).toEqual([]);
  });
});
