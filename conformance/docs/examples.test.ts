import { afterAll, describe, expect, test } from 'vitest';
import { pluginTypes } from '../../cni/plugins/registry.ts';
import { linkTypes } from '../bench/cni.ts';
import { executable } from '../build/executable.ts';
import { canWork, isWanted } from '../cni/features.ts';
import { FreshNode } from '../cni/fresh-node.ts';
import { pluginConfigs, typesOf, usualOffers } from '../cni/network.ts';
import { enterWorld } from '../cni/world.ts';
import { type Example, examplesIn, keysRead, mentions, pageOf, pages } from './pages.ts';

/** The documentation is run: each example as it stands on an empty node, by the compiled executable. */

const program = executable();
const world = enterWorld();
afterAll(() => world?.[Symbol.dispose]());
const directory = '/run/bin';
if (world) linkTypes(program, directory);

const examples = pages().flatMap((page) => examplesIn(page, pageOf(page) ?? ''));

/** The types of an example, and the parts of them that it takes. */
function partsOf({ source }: Example): string[] {
  const vlans = /"(vlan|vlanTrunk)":/.test(JSON.stringify(source)) ? ['bridge with VLANs'] : [];
  return [...typesOf(source), ...vlans];
}

/** Whether an example can run here; why not is printed. */
function canRun(example: Example): boolean {
  const parts = partsOf(example);
  if (!canWork(...parts)) return false;
  if (!parts.includes('dhcp')) return true;
  process.stderr.write(`skipped: example ${example.number} of ${example.page}: it needs a DHCP server\n`);
  return false;
}

describe.skipIf(!world)('examples', () => {
  for (const example of examples.filter((one) => isWanted(...partsOf(one)))) {
    test.skipIf(world && !canRun(example))(`${example.page}, ${example.number}`, () => {
      using node = new FreshNode(['ip link set lo up']);
      if (
        example.needs.length === 0 &&
        typesOf(example.source).some((type) => ['flannel', 'underpod'].includes(type))
      )
        giveSubnet(node);
      for (const line of example.needs) node.run('sh', '-c', line);
      const configs = pluginConfigs(example.source, usualOffers);
      let prevResult: unknown;
      const call = (command: 'ADD' | 'CHECK' | 'DEL', config: (typeof configs)[number]): unknown => {
        const answer = node.call(directory, command, {
          ...config,
          ...(prevResult !== undefined && { prevResult }),
        });
        expect(answer.code, `${command} of ${config.type}: ${answer.stdout}${answer.stderr}`).toBe(0);
        return answer.json;
      };
      for (const config of configs) prevResult = call('ADD', config);
      for (const config of configs) call('CHECK', config);
      for (const config of configs.reverse()) call('DEL', config);
      // What an attachment made in the pod is gone: only what the kernel gives every namespace is there.
      const left = node.ip<{ ifname: string }[]>('pod', 'link').map(({ ifname }) => ifname);
      expect(left).not.toContain('eth0');
    });
  }
});

describe('pages', () => {
  test.each(pluginTypes.map((type) => [type]))('%s has one, with keys and an example', (type) => {
    const text = pageOf(type);
    expect(text, `docs/plugins/${type}.md`).toBeDefined();
    const keys = keysRead(type);
    if (keys.length > 0) expect(text).toMatch(/^\| *Keys? *\|/m);
    expect(keys.filter((key) => !mentions(text ?? '', key))).toEqual([]);
    const named = examplesIn(type, text ?? '').flatMap(({ source }) => typesOf(source));
    expect(named).toContain(type);
  });

  test('are of types that there are', () => {
    expect(pages().filter((page) => !pluginTypes.includes(page) && page !== 'README')).toEqual([]);
  });
});

describe('reading a page', () => {
  test('takes what is needed to the block after it', () => {
    const text = [
      '<!-- needs: ip link add a type dummy',
      'ip link set a up -->',
      '```json cni',
      '{"type":"macvlan"}',
      '```',
      '```json',
      '{"type":"not one"}',
      '```',
      '```json cni',
      '{"type":"bridge"}',
      '```',
    ].join('\n');
    expect(examplesIn('page', text)).toEqual([
      {
        page: 'page',
        number: 1,
        needs: ['ip link add a type dummy', 'ip link set a up'],
        source: { type: 'macvlan' },
      },
      { page: 'page', number: 2, needs: [], source: { type: 'bridge' } },
    ]);
  });

  test('sees a key that is not named', () => {
    expect(keysRead('portmap')).toContain('markMasqBit');
    expect(mentions('the `markMasqBit` of it', 'markMasqBit')).toBe(true);
    expect(mentions('the markMasqBit of it, `markMasqBits`', 'markMasqBit')).toBe(false);
  });
});

/** subnet.env as the agent writes it. */
function giveSubnet(node: FreshNode): void {
  node.run(
    'sh',
    '-c',
    'printf "FLANNEL_NETWORK=10.244.0.0/16\\nFLANNEL_SUBNET=10.244.3.1/24\\nFLANNEL_MTU=1450\\nFLANNEL_IPMASQ=true\\n" > /run/flannel/subnet.env',
  );
}
