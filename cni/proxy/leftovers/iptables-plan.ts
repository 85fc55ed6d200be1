/**
 * Which chains of iptables are kube-proxy's, and what takes them away. The kubelet's stay (KUBE-FIREWALL, KUBE-KUBELET-CANARY),
 * and so do the two that both write (KUBE-MARK-MASQ, KUBE-MARK-DROP), which do nothing by themselves. Pure.
 */

import { isKubeProxyChain } from '../iptables/names.ts';
import { targetOf } from '../iptables/strays.ts';

/**
 * Input for `iptables-restore --noflush` that empties and deletes kube-proxy's chains, and every jump to them, table by table
 * in one step each.
 *
 * @param saved what `iptables-save` printed
 * @returns `undefined` where there is nothing of kube-proxy's
 */
export function removalOf(saved: string): string | undefined {
  let text = '';
  for (const table of saved.split(/^(?=\*)/m)) {
    const name = /^\*(\S+)/.exec(table)?.[1];
    if (name === undefined) continue;
    const chains = [...table.matchAll(/^:(\S+)/gm)].map(([, chain]) => chain ?? '').filter(isKubeProxyChain);
    if (chains.length === 0) continue;
    const jumps = [...table.matchAll(/^-A (\S+)(.*)$/gm)].filter(
      ([, chain = '', rule = '']) => !isKubeProxyChain(chain) && isKubeProxyChain(targetOf(rule)),
    );
    text += `*${name}\n`;
    for (const chain of chains) text += `:${chain} - [0:0]\n`;
    for (const [, chain, rule] of jumps) text += `-D ${chain}${rule}\n`;
    for (const chain of chains) text += `-X ${chain}\n`;
    text += 'COMMIT\n';
  }
  return text === '' ? undefined : text;
}
