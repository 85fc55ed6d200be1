import { invalidConfig } from '../../protocol/error.ts';
import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import type { AddOptions } from '../common/delegate.ts';
import { Rollback } from '../common/rollback.ts';
import type { RuleAddition } from '../common/rule-changes.ts';
import { chooseBackend, isolationBackend } from './choose-backend.ts';
import type { Wanted } from './config.ts';
import { readFirewallConfig, wantedOf } from './config.ts';
import type { Accepted } from './record.ts';

/** ADD: lets the pod's addresses through, isolates its bridge, and hands prevResult on. */
export async function addFirewall({ conf, env }: AddRequest, { collect }: AddOptions = {}): Promise<Result> {
  const config = readFirewallConfig(conf);
  const { prevResult } = conf;
  if (!prevResult) {
    throw invalidConfig('ADD needs "prevResult": firewall comes after a plugin that gives addresses');
  }
  const wanted = wantedOf(config, prevResult);
  if (wanted.addresses.length === 0) return prevResult;
  const key = { network: conf.name, containerId: env.containerId, ifname: env.ifname };
  const backend = await chooseBackend(config);
  const afterwards = await isolation(wanted, prevResult);
  const rollback = new Rollback();
  try {
    if (backend === 'nftables') {
      const { addByNftables } = await import('./nft-backend.ts');
      if (collect) {
        await addByNftables(key, wanted, { afterwards, collect });
        return prevResult;
      }
      await addByNftables(key, wanted);
      rollback.defer(() => removeElements(key));
    } else {
      await addNoted(key, { backend, zone: config.zone }, wanted, rollback, collect);
    }
    afterwards?.();
  } catch (error) {
    return await rollback.fail(error);
  }
  return prevResult;
}

/** What keeps the pod's port of the bridge from others, where that is wanted. */
async function isolation(wanted: Wanted, { interfaces }: Result): Promise<(() => void) | undefined> {
  if (!wanted.isolation?.isolated) return undefined;
  const { bridge } = wanted.isolation;
  const { isolatePort } = await import('./isolate-port.ts');
  return () => isolatePort(bridge, interfaces);
}

async function removeElements(key: AttachmentKey): Promise<void> {
  const { elementsRemoval } = await import('./nft-backend.ts');
  const { removeRulesAlone } = await import('../common/remove-rules-alone.ts');
  await removeRulesAlone([elementsRemoval(key)]);
}

/** By a backend whose rules do not say whose they are. What isolates the bridge is its other pods' too, and stays. */
async function addNoted(
  key: AttachmentKey,
  { backend, zone }: Pick<Accepted, 'backend' | 'zone'>,
  wanted: Wanted,
  rollback: Rollback,
  collect: RuleAddition[] | undefined,
): Promise<void> {
  const { isSameAttachment, lockAddresses, noteAccepted, readAccepted } = await import('./record.ts');
  using _locks = lockAddresses(wanted.addresses);
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
  else {
    const { addByNftables } = await import('./nft-backend.ts');
    await addByNftables(key, { ...wanted, addresses: [] }, { collect });
  }
}
