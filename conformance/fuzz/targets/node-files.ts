import { parseSubnetEnv } from '../../../cni/plugins/flannel/subnet-env.ts';
import { addressOfFile, matchOwner, parseRecord } from '../../../cni/plugins/host-local/record.ts';
import { parseResolvConf } from '../../../cni/plugins/host-local/resolv-conf.ts';
import { isCniError } from '../../../cni/protocol/error.ts';
import type { Random } from '../../testing/random.ts';
import { mutateBytes } from '../mutate-bytes.ts';
import { mutateText } from '../mutate-text.ts';
import { must, type Target, target } from '../target.ts';

const subnetEnvSeed = `FLANNEL_NETWORK=10.244.0.0/16,10.245.0.0/16
FLANNEL_SUBNET=10.244.3.1/24
FLANNEL_IPV6_NETWORK=fd00:42::/56
FLANNEL_IPV6_SUBNET=fd00:42:0:3::1/64
FLANNEL_MTU=1450
FLANNEL_IPMASQ=true
`;

/** A mutated subnet.env. */
export const subnetEnv: Target = target<string>({
  name: 'subnet-env',
  generate: (random) => mutateLines(subnetEnvSeed, random),
  seeds: [subnetEnvSeed],
  changed: (text) => text,
  judge: (text) => {
    try {
      const env = parseSubnetEnv(text, 'subnet.env');
      must((env.subnet ?? env.subnetV6) !== undefined && env.networks.length > 0, 'a network and a subnet');
      must(env.subnet === undefined || env.subnet.ip.family === 4, 'an IPv4 subnet');
      must(env.subnetV6 === undefined || env.subnetV6.ip.family === 6, 'an IPv6 subnet');
      must(Number.isSafeInteger(env.mtu) && env.mtu >= 0, 'an MTU');
      return 'accepted';
    } catch (error) {
      if (isCniError(error, 6, 7)) return 'refused';
      throw error;
    }
  },
  describe: (text) => JSON.stringify(text),
});

const attachment = { containerId: 'c0ffee', ifname: 'eth0' };
const recordSeeds = [
  'c0ffee\r\neth0',
  'c0ffee',
  'c0ffee\n',
  '10.22.0.7',
  'fd00::7',
  'nameserver 10.0.0.1\nsearch a b\n',
];

/** Mutated files of host-local: owners, names, resolv.conf. None of its readers may throw at all. */
export const hostLocal: Target = target<string>({
  name: 'host-local',
  generate: (random) => mutateLines(random.pick(recordSeeds), random),
  seeds: recordSeeds,
  changed: (text) => text,
  judge: (text) => {
    const owner = parseRecord(text);
    must(
      owner === undefined || owner.containerId !== '' || owner.ifname !== undefined,
      'an owner has a name',
    );
    must(matchOwner(owner, attachment) === undefined || text.includes('c0ffee'), 'nobody else is the owner');
    const dns = parseResolvConf(text);
    must(
      (dns.nameservers ?? []).every((server) => text.includes(server)),
      'name servers come from the file',
    );
    const address = addressOfFile(text);
    return owner || address || dns.domain ? 'accepted' : 'refused';
  },
  describe: (text) => JSON.stringify(text),
});

function mutateLines(seed: string, random: Random): string {
  if (random.below(6) === 0)
    return new TextDecoder().decode(mutateBytes(new TextEncoder().encode(seed), random));
  const lines = seed.split('\n');
  for (let count = 1 + random.below(2); count > 0; count--) {
    const at = random.below(lines.length);
    lines[at] = mutateText(lines[at] ?? '', random);
  }
  return lines.join('\n');
}
