/**
 * Which chains of iptables are kube-proxy's, and what takes them away. The kubelet's stay (KUBE-FIREWALL, KUBE-KUBELET-CANARY),
 * and so do the two that both write (KUBE-MARK-MASQ, KUBE-MARK-DROP), which do nothing by themselves. Pure.
 */

/** kube-proxy, pkg/proxy/iptables and ipvs: chains that always have these names, and chains of a service or endpoint. */
const THEIRS =
  /^KUBE-(?:SERVICES|EXTERNAL-SERVICES|NODEPORTS|POSTROUTING|FORWARD|PROXY-FIREWALL|PROXY-CANARY|LOAD-BALANCER|NODE-PORT|SOURCE-RANGES-FIREWALL|IPVS-FILTER|IPVS-OUT-FILTER|(?:SVC|SVL|EXT|FW|XLB|SEP)-[A-Z2-7]{16})$/;

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
    const chains = [...table.matchAll(/^:(\S+)/gm)].map(([, chain]) => chain ?? '').filter(isTheirs);
    if (chains.length === 0) continue;
    const jumps = [...table.matchAll(/^-A (\S+)(.*)$/gm)].filter(
      ([, chain = '', rule = '']) => !isTheirs(chain) && isTheirs(targetOf(rule)),
    );
    text += `*${name}\n`;
    for (const chain of chains) text += `:${chain} - [0:0]\n`;
    for (const [, chain, rule] of jumps) text += `-D ${chain}${rule}\n`;
    for (const chain of chains) text += `-X ${chain}\n`;
    text += 'COMMIT\n';
  }
  return text === '' ? undefined : text;
}

function isTheirs(chain: string): boolean {
  return THEIRS.test(chain);
}

function targetOf(rule: string): string {
  return / -[jg] (\S+)/.exec(rule)?.[1] ?? '';
}
