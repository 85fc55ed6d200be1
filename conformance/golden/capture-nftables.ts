/**
 * Writes shared/nftables/testing/golden.ts anew: the bytes that the installed nft program sends for each command below. To add a case, add
 * its command here, run `bun conformance/golden/capture-nftables.ts` as root with strace and nft (1.0.6, Debian 12)
 * installed, format the file with Biome, and look at the difference.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { captureNft } from './capture-nft.ts';

/** What is there before each command. */
const PRELUDE = `
table inet t {
  chain c { }
  chain d { }
  chain post { type nat hook postrouting priority srcnat; }
  chain pre { type nat hook prerouting priority dstnat; }
  set nets { type ipv4_addr; flags interval; }
  set hosts { type ipv4_addr; }
  set pairs { type ipv4_addr . ipv4_addr; }
  set ranges { type ipv4_addr . inet_service; flags interval; }
  set clients { type ipv4_addr; flags dynamic,timeout; timeout 1m; size 100; elements = { 10.0.0.9 } }
  map count { type ipv4_addr . inet_proto . inet_service : mark; }
  map slots { typeof ip daddr . meta l4proto . th dport . numgen random mod 3 : ip daddr . th dport; }
  map slots6 { typeof ip6 daddr . meta l4proto . th dport . numgen inc mod 3 : ip6 daddr . th dport; }
  map lb { type mark : verdict; }
}
table ip t4 {
  chain c { }
}
table ip6 t6 {
  chain c { }
}
table bridge tb {
  chain c { }
}
`;

const COMMANDS = [
  // Tables, chains.
  'add table inet x',
  'create table ip x',
  'add table ip6 x { comment "why it is here"; }',
  'add table inet x { flags dormant; }',
  'delete table inet t',
  'flush table inet t',
  'add chain inet t x',
  'create chain inet t x { comment "why"; }',
  'add chain inet t x { type nat hook postrouting priority srcnat; }',
  'add chain inet t x { type filter hook forward priority -5; policy drop; }',
  'add chain inet t x { type route hook output priority mangle; }',
  'delete chain inet t d',
  'flush chain inet t c',
  // Sets and maps.
  'add set inet t x { type ipv4_addr; }',
  'add set inet t x { type ipv6_addr; flags interval; comment "nets"; }',
  'add set inet t x { type inet_service; flags constant; elements = { 80, 443 } }',
  'add set inet t x { type ipv4_addr; flags dynamic,timeout; timeout 3h; gc-interval 10s; size 65536; }',
  'add set inet t x { type ipv4_addr . inet_service; policy memory; }',
  'add set inet t x { type ipv4_addr . inet_service; flags interval; }',
  'add set inet t x { type ether_addr; }',
  'add set inet t x { type ifname; }',
  'add map inet t x { type ipv4_addr . inet_proto . inet_service : mark; }',
  'add map inet t x { typeof ip daddr . meta l4proto . th dport . numgen random mod 3 : ip daddr . th dport; }',
  'add map inet t x { typeof ip6 daddr . meta l4proto . th dport . numgen random mod 3 : ip6 daddr . th dport; }',
  'add map inet t x { type ipv4_addr . inet_proto . inet_service . mark : ipv4_addr . inet_service; }',
  'add map inet t x { type mark : verdict; comment "kinds"; }',
  'add map inet t x { type ipv4_addr . inet_proto . inet_service : classid; }',
  'add map inet t x { type classid : verdict; }',
  'add map inet t x { type ipv4_addr : ipv4_addr; flags interval; }',
  'delete set inet t hosts',
  'delete map inet t lb',
  'flush set inet t hosts',
  // Elements.
  'add element inet t hosts { 10.0.0.1, 10.0.0.2 comment "two" }',
  'create element inet t hosts { 10.0.0.1 }',
  'delete element inet t clients { 10.0.0.9 }',
  'add element inet t nets { 0.0.0.0/8, 10.0.0.1, 10.1.0.0-10.1.0.9, 255.255.255.0/24 }',
  'add element inet t ranges { 10.0.0.0/8 . 80-90, 10.1.2.3 . 443 comment "one" }',
  'add element inet t clients { 10.0.0.1 timeout 5s }',
  'add element inet t clients { 10.0.0.1 timeout 5s expires 3s }',
  'add element inet t count { 10.96.0.1 . tcp . 443 : 3 }',
  'add element inet t slots { 10.96.0.1 . tcp . 443 . 2 : 10.1.1.1 . 6443 }',
  'add element inet t lb { 1 : accept, 2 : drop, 3 : goto c, 4 : jump d, 5 : return, 6 : continue }',
  // Rules: matches.
  'add rule inet t c ip saddr 10.1.2.3 accept',
  'add rule inet t c ip saddr 10.0.0.0/8 ip daddr 10.0.0.0/8 accept',
  'add rule inet t c ip daddr != 10.244.0.0/22 drop',
  'add rule inet t c ip daddr 224.0.0.0/4 return',
  'add rule inet t c ip saddr 0.0.0.0/0 accept',
  'add rule inet t c ip6 saddr fd00::1 ip6 daddr != fd00:0:0:1::/64 return',
  'add rule inet t c ip6 daddr fe80::/10 return',
  'add rule ip t4 c ip saddr 10.1.2.3 accept',
  'add rule ip6 t6 c ip6 saddr fd00::1 accept',
  'add rule bridge tb c ip saddr 10.1.2.3 accept',
  'add rule inet t c iifname "cni0" oifname != "eth0" accept',
  'add rule inet t c iifname "veth*" accept',
  'add rule inet t c meta mark & 0x4000 == 0x4000 return',
  'add rule inet t c meta mark & 0x4000 != 0x4000 return',
  'add rule inet t c meta mark set meta mark | 0x4000',
  'add rule inet t c meta mark set meta mark ^ 0x4000',
  'add rule inet t c ct state established,related accept',
  'add rule inet t c ct status dnat accept',
  'add rule inet t c ct direction reply accept',
  'add rule inet t c ct original ip daddr 10.0.0.1 accept',
  'add rule inet t c ct mark set 0',
  'add rule inet t c fib daddr type local accept',
  'add rule inet t c fib saddr type local accept',
  'add rule inet t c fib saddr . iif oif 0 drop',
  'add rule inet t c tcp dport 80 accept',
  'add rule inet t c udp sport 53 accept',
  'add rule inet t c meta l4proto sctp accept',
  'add rule inet t c tcp dport 100-200 accept',
  'add rule inet t c tcp dport != 100-200 accept',
  'add rule inet t c meta mark 5-9 accept',
  'add rule inet t c meta priority set none',
  'add rule inet t c ip saddr @hosts accept',
  'add rule inet t c ip saddr != @nets drop',
  'add rule inet t c ct status dnat ip saddr . ip daddr @pairs accept',
  'add rule inet t c meta l4proto { tcp, udp, sctp } accept',
  'add rule inet t c ip saddr vmap { 10.0.0.1 : accept, 10.0.0.2 : jump d }',
  'add rule inet t c numgen random mod 2 vmap { 0 : jump d, 1 : accept }',
  'add rule inet t c ip daddr . th dport @ranges accept',
  'add rule inet t c ct mark vmap @lb',
  'add rule inet t c ct mark set ip daddr . meta l4proto . th dport map @count',
  'add rule inet t c update @clients { ip saddr timeout 10s }',
  'add rule inet t c add @clients { ip saddr counter }',
  // Rules: statements.
  'add rule inet t c counter comment "all of them"',
  'add rule inet t c counter packets 5 bytes 600 drop',
  'insert rule inet t c goto d',
  'add rule inet t c jump d',
  'add rule inet t post masquerade',
  'add rule inet t post masquerade random',
  'add rule inet t post masquerade fully-random,persistent',
  'add rule inet t post ip saddr 10.1.2.3 ip daddr != 10.1.2.0/24 masquerade comment "0123456789abcdef-0123456789abcdef, net: n, if: eth0, id: c"',
  'add rule inet t post meta l4proto tcp masquerade to :1024-65535',
  'add rule inet t pre dnat ip to 10.0.0.1',
  'add rule inet t pre meta l4proto tcp dnat ip to 10.0.0.1:80',
  'add rule inet t pre meta l4proto tcp dnat ip6 to [fd00::1]:80',
  'add rule inet t post snat ip to 10.0.0.1-10.0.0.9 random',
  'add rule inet t c reject',
  'add rule inet t c tcp dport 80 reject with tcp reset',
  'add rule inet t c reject with icmpx type admin-prohibited',
  'add rule ip t4 c reject with icmp type port-unreachable',
  'add rule ip6 t6 c reject with icmpv6 type port-unreachable',
  'add rule inet t c notrack',
  'add rule inet t c meta nftrace set 1',
  // In one piece: nft 1.0.6 cannot add a rule to such a map once it lies in the kernel.
  `table inet x {
  map slots { typeof ip daddr . meta l4proto . th dport . numgen random mod 3 : ip daddr . th dport; }
  chain pre {
    type nat hook prerouting priority dstnat;
    meta l4proto { tcp, udp, sctp } dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 3 map @slots
  }
}`,
  `table inet x {
  map slots { typeof ip6 daddr . meta l4proto . th dport . numgen random mod 3 : ip6 daddr . th dport; }
  chain pre {
    type nat hook prerouting priority dstnat;
    dnat ip6 to ip6 daddr . meta l4proto . th dport . numgen inc mod 3 offset 2 map @slots
  }
}`,
  `table inet x {
  map frontends { type ipv4_addr . inet_proto . inet_service : classid; }
  chain c {
    meta priority set ip daddr . meta l4proto . th dport map @frontends
  }
}`,
  `table inet x {
  map treatments { type classid : verdict; }
  chain c {
    meta priority vmap @treatments
  }
}`,
  // What is not modelled stays as it is.
  'add rule inet t c limit rate 5/second accept',
  'add rule inet t c log prefix "x" group 3',
  'add rule inet t c tcp option maxseg size set rt mtu',
];

const lines = COMMANDS.map((command) => {
  const messages = captureNft(command, PRELUDE).map((message) => `    '${message.toHex()}',\n`);
  const key = command.includes('\n') ? `[\`${command}\`]` : `'${command}'`;
  return `  ${key}: [\n${messages.join('')}  ],\n`;
});
const text = `/**
 * What the nft program sends, by command: whole netlink messages with the sequence number and the port id at zero, the
 * frame of the batch left out. Captured by strace from nft 1.0.6 on amd64. Made by conformance/golden/capture-nftables.ts.
 */
export const golden: Readonly<Record<string, readonly string[]>> = {
${lines.join('')}};

/** What was there before each command. */
export const goldenPrelude = \`${PRELUDE}\`;
`;
writeFileSync(join(import.meta.dirname, '../../shared/nftables/testing/golden.ts'), text);
