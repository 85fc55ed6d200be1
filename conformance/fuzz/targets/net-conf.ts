import type { FamilyConf, NetConf } from '../../../shared/config/net-conf.ts';
import { NetConfError, parseNetConf } from '../../../shared/config/net-conf.ts';
import { contains, networkOf } from '../../../shared/ip/cidr.ts';
import { compareIp, ipEquals } from '../../../shared/ip/ip.ts';
import { jsonInput } from '../json-input.ts';
import { must, type Target, target } from '../target.ts';

const seeds = [
  { Network: '10.244.0.0/16', Backend: { Type: 'vxlan' } },
  {
    EnableIPv4: true,
    EnableIPv6: true,
    EnableNFTables: true,
    Network: '10.42.0.0/16',
    SubnetLen: 24,
    SubnetMin: '10.42.10.0',
    SubnetMax: '10.42.99.0',
    IPv6Network: 'fd00:42::/56',
    IPv6SubnetLen: 64,
    IPv6SubnetMin: 'fd00:42:0:4::',
    IPv6SubnetMax: 'fd00:42:0:7f::',
    Backend: { Type: 'vxlan', VNI: 1, Port: 8472, DirectRouting: true },
  },
  { EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fd00::/48', Backend: { Type: 'host-gw' } },
];

/** A mutated net-conf.json of flannel. */
export const netConf: Target = target<string>({
  name: 'net-conf',
  generate: (random) => new TextDecoder().decode(jsonInput(seeds, random)),
  seeds: seeds.map((seed) => JSON.stringify(seed)),
  changed: (text) => text,
  judge: (text) => {
    const conf = parse(text);
    if (conf === undefined) return 'refused';
    must(conf.ipv4 !== undefined || conf.ipv6 !== undefined, 'one family at least');
    if (conf.ipv4) checkFamily(conf.ipv4, 4);
    if (conf.ipv6) checkFamily(conf.ipv6, 6);
    const { enableNFTables } = conf;
    must(conf.backend.type !== '', 'the rest is filled in');
    must(enableNFTables === undefined || typeof enableNFTables === 'boolean', 'what may be absent is typed');
    return 'accepted';
  },
  describe: (text) => text,
});

function checkFamily({ network, subnetLen, subnetMin, subnetMax }: FamilyConf, family: 4 | 6): void {
  must(
    network.ip.family === family && ipEquals(networkOf(network).ip, network.ip),
    'a network of the family',
  );
  must(Number.isInteger(subnetLen) && subnetLen >= network.prefix, 'subnets fit the network');
  must(subnetLen <= (family === 4 ? 32 : 128), 'subnets hold an address');
  must(contains(network, subnetMin) && contains(network, subnetMax), 'both ends lie inside');
  must(compareIp(subnetMin, subnetMax) <= 0, 'the ends are in order');
  for (const ip of [subnetMin, subnetMax]) {
    must(ipEquals(networkOf({ ip, prefix: subnetLen }).ip, ip), 'the ends are subnets');
  }
}

function parse(text: string): NetConf | undefined {
  try {
    return parseNetConf(text);
  } catch (error) {
    if (error instanceof NetConfError) return undefined;
    throw error;
  }
}
