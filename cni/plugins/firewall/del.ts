import type { NetConf } from '../../protocol/net-conf.ts';
import type { DelRequest } from '../../protocol/plugin.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { collectErrors } from '../common/collect-errors.ts';
import type { DelOptions } from '../common/delegate.ts';
import { chooseBackend } from './choose-backend.ts';
import type { BackendName, FirewallConfig } from './config.ts';
import { addressesOf, readFirewallConfig } from './config.ts';
import type { Accepted } from './record.ts';
import { isSameAttachment, listAccepted, readAccepted } from './record.ts';

/**
 * DEL: removes what accepts the pod's addresses: those of prevResult, without it those that ADD noted. Chains, and what
 * isolates the bridge, are others' as well and stay.
 *
 * Which backend is chosen can have changed since ADD, with the configuration or a package. So the sets of nftables, whose
 * elements say whose they are, are looked at in any case.
 */
export async function delFirewall({ conf, env }: DelRequest, { collect }: DelOptions = {}): Promise<void> {
  const key = { network: conf.name, containerId: env.containerId, ifname: env.ifname };
  const errors = collectErrors('DEL');
  const removal = (await import('./nft-backend.ts')).elementsRemoval(key, addressesOf(conf.prevResult));
  if (collect) collect.push(removal);
  else {
    const { removeRulesAlone } = await import('../common/remove-rules-alone.ts');
    await errors.tryAsync(() => removeRulesAlone([removal]));
  }
  await errors.tryAsync(async () => {
    const own = await ownAccepted(key, conf);
    if (own.length > 0) await (await import('./remove-accepted.ts')).removeAccepted(own);
  });
  errors.throwIfAny();
}

/** What was accepted for the attachment by a backend whose rules do not say so. */
async function ownAccepted(key: AttachmentKey, conf: NetConf): Promise<Accepted[]> {
  const own: Accepted[] = [];
  const addresses = addressesOf(conf.prevResult);
  if (addresses.length === 0)
    for (const accepted of listAccepted()) if (isSameAttachment(accepted.key, key)) own.push(accepted);
  const config = leniently(conf);
  let chosen: BackendName | undefined;
  for (const address of addresses) {
    const accepted = readAccepted(address);
    if (accepted) {
      // Another pod's by now, whose rules are the same ones.
      if (isSameAttachment(accepted.key, key)) own.push(accepted);
      continue;
    }
    // Of upstream's plugin, or of backend nftables. A bus that hangs must not keep pods of nodes without firewalld.
    chosen ??= await chooseBackend(config, 'absent');
    if (chosen !== 'nftables') own.push({ address, key, backend: chosen, zone: config.zone });
  }
  return own;
}

/** A configuration that makes no sense (any more) must not keep a pod from going. */
function leniently(conf: NetConf): FirewallConfig {
  try {
    return readFirewallConfig(conf);
  } catch {
    return { backend: undefined, adminChain: '', zone: 'trusted', ingressPolicy: 'open' };
  }
}
