import { invalidConfig } from '../../protocol/error.ts';
import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { Rollback } from '../common/rollback.ts';
import { chooseBackend, isolationBackend } from './choose-backend.ts';
import type { Wanted } from './config.ts';
import { readFirewallConfig, wantedOf } from './config.ts';

/** ADD: lets the pod's addresses through, isolates its bridge, and hands prevResult on. */
export async function addFirewall({ conf, env }: AddRequest): Promise<Result> {
  const config = readFirewallConfig(conf);
  const { prevResult } = conf;
  if (!prevResult) {
    throw invalidConfig('ADD needs "prevResult": firewall comes after a plugin that gives addresses');
  }
  const wanted = wantedOf(config, prevResult);
  if (wanted.addresses.length === 0) return prevResult;
  const key = { network: conf.name, containerId: env.containerId, ifname: env.ifname };
  const backend = await chooseBackend(config);
  const rollback = new Rollback();
  try {
    if (backend === 'nftables') await addToNftables(key, wanted, rollback);
    else await addNoted(key, backend, config.zone, wanted, rollback);
    if (wanted.isolation?.isolated)
      (await import('./isolate-port.ts')).isolatePort(wanted.isolation.bridge, prevResult.interfaces);
  } catch (error) {
    return await rollback.fail(error);
  }
  return prevResult;
}

async function addToNftables(key: AttachmentKey, wanted: Wanted, rollback: Rollback): Promise<void> {
  const { addByNftables, delByNftables } = await import('./nft-backend.ts');
  addByNftables(key, wanted);
  rollback.defer(() => delByNftables(key));
}

/** By a backend whose rules do not say whose they are. What isolates the bridge is its other pods' too, and stays. */
async function addNoted(
  key: AttachmentKey,
  backend: 'firewalld' | 'iptables',
  zone: string,
  wanted: Wanted,
  rollback: Rollback,
): Promise<void> {
  const { isSameAttachment, noteAccepted, readAccepted } = await import('./record.ts');
  for (const address of wanted.addresses) {
    const accepted = { address, key, backend, zone };
    const before = readAccepted(address);
    // An attachment that had the address before keeps it when this call fails.
    if (before && isSameAttachment(before.key, key)) continue;
    rollback.defer(async () => (await import('./remove-accepted.ts')).removeAccepted([accepted]));
    noteAccepted(accepted);
  }
  if (backend === 'iptables') {
    await (await import('./iptables-backend.ts')).addByIptables(wanted);
    return;
  }
  (await import('./firewalld-backend.ts')).addByFirewalld(zone, wanted.addresses);
  if (!wanted.isolation) return;
  if (isolationBackend(backend) === 'iptables')
    await (await import('./iptables-backend.ts')).isolateByIptables(wanted);
  else (await import('./nft-backend.ts')).addByNftables(key, { ...wanted, addresses: [] });
}
