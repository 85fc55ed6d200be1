/** What of subnet.env matters for a check. Pure. */

export interface SubnetEnvFacts {
  /** Bytes. */
  readonly mtu: number | undefined;
  /** The bridge's addresses with prefix, as FLANNEL_SUBNET has them. */
  readonly gateways: readonly string[];
  /** FLANNEL_NETWORK and its sister, which may name several networks each. */
  readonly networks: readonly string[];
}

export function parseSubnetEnv(text: string): SubnetEnvFacts {
  const values = new Map(
    text.split('\n').flatMap((line) => {
      const at = line.indexOf('=');
      return at < 0 ? [] : [[line.slice(0, at).trim(), line.slice(at + 1).trim()] as const];
    }),
  );
  const all = (...keys: string[]): string[] =>
    keys.flatMap((key) => (values.get(key) ?? '').split(',').filter((value) => value !== ''));
  const mtu = Number(values.get('FLANNEL_MTU'));
  return {
    mtu: Number.isInteger(mtu) && mtu > 0 ? mtu : undefined,
    gateways: all('FLANNEL_SUBNET', 'FLANNEL_IPV6_SUBNET'),
    networks: all('FLANNEL_NETWORK', 'FLANNEL_IPV6_NETWORK'),
  };
}
