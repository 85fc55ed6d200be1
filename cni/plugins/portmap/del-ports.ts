import { collectErrors } from '../common/collect-errors.ts';
import { mayHaveIptablesPorts } from './iptables-look.ts';
import { delNftPorts, openIfSupported } from './nft-backend.ts';

/** Both backends' rules; none is fine. */
export async function delPorts(network: string, containerId: string): Promise<void> {
  const errors = collectErrors('DEL');
  using nft = openIfSupported();
  await errors.tryAsync(async () => {
    const left = mayHaveIptablesPorts(nft, network, containerId);
    if (left) await (await import('./iptables-backend.ts')).delIptablesPorts(nft, network, containerId, left);
  });
  if (nft) errors.try(() => delNftPorts(nft, containerId));
  errors.throwIfAny();
}
