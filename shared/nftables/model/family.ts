/** The address families that nf_tables keeps tables for; `inet` sees IPv4 and IPv6. */
export type Family = 'ip' | 'ip6' | 'inet' | 'arp' | 'bridge' | 'netdev';

/** NFPROTO_* of linux/netfilter.h, as carried in the first byte of every nfnetlink message. */
export const FAMILY_NUMBERS: Readonly<Record<Family, number>> = {
  inet: 1,
  ip: 2,
  arp: 3,
  netdev: 5,
  bridge: 7,
  ip6: 10,
};

/** The family of an NFPROTO_* number; undefined for one that holds no tables. */
export function familyOf(number: number): Family | undefined {
  for (const name in FAMILY_NUMBERS) {
    if (FAMILY_NUMBERS[name as Family] === number) return name as Family;
  }
  return undefined;
}
