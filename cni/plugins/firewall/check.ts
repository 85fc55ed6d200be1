import { invalidConfig } from '../../protocol/error.ts';
import type { CheckRequest } from '../../protocol/plugin.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { chooseBackend, isolationBackend } from './choose-backend.ts';
import type { Wanted } from './config.ts';
import { readFirewallConfig, wantedOf } from './config.ts';
import { checkByFirewalld } from './firewalld-backend.ts';
import { checkByIptables } from './iptables-backend.ts';
import { checkByNftables } from './nft-check.ts';
import { isSameAttachment, readAccepted } from './record.ts';

/** CHECK: every address is accepted, and the bridge is isolated as configured. */
export async function checkFirewall({ conf, env }: CheckRequest): Promise<void> {
  const config = readFirewallConfig(conf);
  const { prevResult } = conf;
  if (!prevResult) throw invalidConfig('CHECK needs "prevResult": pass the result of ADD');
  const wanted = wantedOf(config, prevResult);
  if (wanted.addresses.length === 0) return;
  const key = { network: conf.name, containerId: env.containerId, ifname: env.ifname };
  // Which one that is may have changed since ADD, by a package that was installed.
  const backend = config.backend ?? notedBackend(key, wanted) ?? (await chooseBackend(config));
  if (backend === 'nftables') {
    checkByNftables(key, wanted);
    return;
  }
  if (backend === 'iptables') {
    await checkByIptables(wanted);
    return;
  }
  checkByFirewalld(config.zone, wanted.addresses);
  if (!wanted.isolation) return;
  if (isolationBackend(backend) === 'iptables') await checkByIptables(wanted, 'isolation');
  else checkByNftables(key, { ...wanted, addresses: [] });
}

function notedBackend(key: AttachmentKey, { addresses }: Wanted): 'firewalld' | 'iptables' | undefined {
  for (const address of addresses) {
    const accepted = readAccepted(address);
    if (accepted && isSameAttachment(accepted.key, key)) return accepted.backend;
  }
  return undefined;
}
