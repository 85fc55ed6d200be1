import type { DelRequest } from '../../protocol/plugin.ts';
import { collectErrors } from '../common/collect-errors.ts';
import { mayHaveIptablesPorts } from './iptables-look.ts';
import { delNftPorts } from './nft-backend.ts';
import { forgetPorts } from './record.ts';

/**
 * DEL: removes the container's rules from wherever they may be, whatever the configuration says now: it may have changed
 * since, and upstream's plugin, which prefers iptables, may have made them.
 */
export async function delPortmap({ conf, env }: DelRequest): Promise<void> {
  await delPorts(conf.name, env.containerId);
  forgetPorts(conf.name, env.containerId);
}

/** Both backends' rules; none is fine. */
export async function delPorts(network: string, containerId: string): Promise<void> {
  const errors = collectErrors('DEL');
  errors.try(() => delNftPorts(containerId));
  await errors.tryAsync(async () => {
    const left = mayHaveIptablesPorts(network, containerId);
    if (left) await (await import('./iptables-backend.ts')).delIptablesPorts(network, containerId, left);
  });
  errors.throwIfAny();
}
