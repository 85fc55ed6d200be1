import { parseCidr } from '../../ip/cidr.ts';
import { parseIp } from '../../ip/ip.ts';
import { daddr, saddr } from '../build/address.ts';
import { anonymousSet, anonymousVerdicts } from '../build/anonymous.ts';
import { hostU32, networkU16 } from '../build/bytes.ts';
import { ctState, ctStatus, setCtMark } from '../build/conntrack.ts';
import * as field from '../build/field.ts';
import { concat } from '../build/key.ts';
import { ctMarkFromMap, inSet, updateSet, vmap } from '../build/lookup.ts';
import { fibDaddrType, iifname, markIs, markOr, oifname } from '../build/match.ts';
import { dnatFromMap, dnatTo } from '../build/nat.ts';
import { rule } from '../build/rule.ts';
import * as statement from '../build/statement.ts';
import { dport, l4protoIs } from '../build/transport.ts';
import { typeofHints } from '../build/typeof.ts';
import type { Chain } from '../model/chain.ts';
import { inetProto, inetService, integer, ipv4Addr, ipv6Addr, mark } from '../model/data-type.ts';
import type { NftMap, NftSet } from '../model/set.ts';
import { Transaction } from '../transaction.ts';

const ip = (text: string) => parseIp(text) ?? fail(text);
const net = (text: string) => parseCidr(text) ?? fail(text);
const bytes = (text: string): Uint8Array => Uint8Array.from(text.split('.').map(Number));
const { accept, counter, drop, goTo, jump, masquerade, reject, rejectWithTcpReset, returns } = statement;

/** A table that uses all there is, as nft prints it; `NAME` stands for its name. */
export const sampleText = `table inet NAME {
	comment "everything once"
	set nets {
		type ipv4_addr
		flags interval
		comment "our nets"
		elements = { 10.0.0.0/8, 192.168.1.1 comment "one",
			     192.168.2.0-192.168.2.6, 240.0.0.0/4 }
	}

	set nets6 {
		type ipv6_addr
		flags interval
		elements = { fd00::/8,
			     fe80::1 }
	}

	set pairs {
		type ipv4_addr . ipv4_addr
		elements = { 10.0.0.1 . 10.0.0.1 }
	}

	set ports {
		type inet_service
		elements = { 80, 443 }
	}

	set ranges {
		type ipv4_addr . inet_service
		flags interval
		elements = { 10.0.0.0/8 . 30000-32767 }
	}

	set clients {
		type ipv4_addr
		size 100
		flags dynamic,timeout
		timeout 3h
	}

	map count {
		type ipv4_addr . inet_proto . inet_service : mark
		elements = { 10.96.0.1 . tcp . 443 : 0x00000003 }
	}

	map slots {
		typeof ip daddr . meta l4proto . th dport . numgen random mod 3 : ip daddr . th dport
		elements = { 10.96.0.1 . tcp . 443 . 2 : 10.1.1.1 . 6443 }
	}

	map lb {
		type mark : verdict
		elements = { 0x00000001 : goto lb-1, 0x00000003 : goto lb-3 }
	}

	chain lb-1 {
		ct mark set 0x00000000
	}

	chain lb-3 {
		comment "three endpoints"
		ct mark set 0x00000000
		meta l4proto { tcp, udp, sctp } dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 3 map @slots
	}

	chain services {
		ct mark set ip daddr . meta l4proto . th dport map @count
		ct mark vmap @lb
	}

	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local goto services
		meta l4proto tcp dnat ip to 10.0.0.1:80
		dnat ip6 to fd00::1
	}

	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related counter packets 0 bytes 0 accept
		iifname "cni0" oifname != "eth0" accept
		iifname "veth*" jump lb-1
		ip saddr @nets ip daddr != 10.0.0.0/8 drop
		ip6 saddr fd00::1 ip6 daddr @nets6 accept
		tcp dport 8000-8080 reject with tcp reset
		update @clients { ip saddr timeout 10s }
		ip daddr . th dport @ranges accept
		numgen random mod 2 vmap { 0 : jump lb-1, 1 : accept }
		reject
	}

	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip daddr 224.0.0.0/4 return
		ip6 daddr ff00::/8 return
		meta mark & 0x00004000 == 0x00004000 return
		meta mark set meta mark | 0x00002000
		ct status dnat ip saddr . ip daddr @pairs masquerade
		ip saddr 10.1.2.3 ip daddr != 10.1.2.0/24 masquerade comment "net: n, if: eth0, id: c"
		masquerade fully-random
	}
}
`;

/** The same table as a transaction. */
export function sample(name: string): Transaction {
  const inTable = { family: 'inet', table: name } as const;
  const set = (more: Omit<NftSet, 'kind' | 'family' | 'table'>): NftSet => ({
    kind: 'set',
    ...inTable,
    ...more,
  });
  const map = (more: Omit<NftMap, 'kind' | 'family' | 'table'>): NftMap => ({
    kind: 'map',
    ...inTable,
    ...more,
  });
  const chain = (called: string, more: Partial<Chain> = {}): Chain => ({
    kind: 'chain',
    ...inTable,
    name: called,
    ...more,
  });
  const tx = new Transaction();
  tx.add({ kind: 'table', family: 'inet', name, comment: 'everything once' });

  const nets = set({ name: 'nets', key: [ipv4Addr], interval: true, comment: 'our nets' });
  tx.add(nets).addElements(nets, [
    { key: bytes('10.0.0.0'), keyEnd: bytes('10.255.255.255') },
    { key: bytes('192.168.1.1'), comment: 'one' },
    { key: bytes('192.168.2.0'), keyEnd: bytes('192.168.2.6') },
    { key: bytes('240.0.0.0'), keyEnd: bytes('255.255.255.255') },
  ]);
  const nets6 = set({ name: 'nets6', key: [ipv6Addr], interval: true });
  tx.add(nets6).addElements(nets6, [
    { key: Uint8Array.fromHex(`fd${'00'.repeat(15)}`), keyEnd: Uint8Array.fromHex(`fd${'ff'.repeat(15)}`) },
    { key: Uint8Array.fromHex(`fe80${'00'.repeat(13)}01`) },
  ]);
  const pairs = set({ name: 'pairs', key: [ipv4Addr, ipv4Addr] });
  tx.add(pairs).addElements(pairs, [{ key: concat(bytes('10.0.0.1'), bytes('10.0.0.1')) }]);
  const ports = set({ name: 'ports', key: [inetService] });
  tx.add(ports).addElements(ports, [{ key: networkU16(80) }, { key: networkU16(443) }]);
  const ranges = set({ name: 'ranges', key: [ipv4Addr, inetService], interval: true });
  tx.add(ranges).addElements(ranges, [
    {
      key: concat(bytes('10.0.0.0'), networkU16(30000)),
      keyEnd: concat(bytes('10.255.255.255'), networkU16(32767)),
    },
  ]);
  tx.add(set({ name: 'clients', key: [ipv4Addr], size: 100, dynamic: true, timeout: 3 * 3600_000 }));

  const service = [ipv4Addr, inetProto, inetService];
  const serviceKey = [field.ipDaddr, field.l4proto, field.thDport];
  const api = [bytes('10.96.0.1'), Uint8Array.of(6), networkU16(443)];
  const count = map({ name: 'count', key: service, data: [mark] });
  tx.add(count).addElements(count, [{ key: concat(...api), data: hostU32(3) }]);
  const hints = typeofHints([...serviceKey, field.randomBelow(3)], [field.ipDaddr, field.thDport]);
  const slots = map({ name: 'slots', key: [...service, integer], data: [ipv4Addr, inetService], hints });
  tx.add(slots).addElements(slots, [
    { key: concat(...api, hostU32(2)), data: concat(bytes('10.1.1.1'), networkU16(6443)) },
  ]);
  const lb = map({ name: 'lb', key: [mark], data: 'verdict' });
  tx.add(lb);

  const lb1 = chain('lb-1');
  const lb3 = chain('lb-3', { comment: 'three endpoints' });
  const services = chain('services');
  tx.add(lb1).add(lb3).add(services);
  tx.addElements(lb, [
    { key: hostU32(1), data: { code: 'goto', chain: 'lb-1' } },
    { key: hostU32(3), data: { code: 'goto', chain: 'lb-3' } },
  ]);
  tx.add(rule(lb1, [setCtMark(0)])).add(rule(lb3, [setCtMark(0)]));
  const protocols = anonymousSet(
    tx,
    { family: 'inet', name },
    [inetProto],
    [{ key: Uint8Array.of(6) }, { key: Uint8Array.of(17) }, { key: Uint8Array.of(132) }],
  );
  tx.add(
    rule(lb3, [
      inSet(field.l4proto, protocols),
      dnatFromMap('ip', [...serviceKey, field.randomBelow(3)], 'slots'),
    ]),
  );
  tx.add(rule(services, [ctMarkFromMap(serviceKey, 'count')])).add(
    rule(services, [vmap(field.ctMark, 'lb')]),
  );

  const prerouting = chain('prerouting', { base: { type: 'nat', hook: 'prerouting', priority: -100 } });
  tx.add(prerouting);
  tx.add(rule(prerouting, [fibDaddrType('local'), goTo('services')]));
  tx.add(rule(prerouting, [l4protoIs('tcp'), dnatTo(ip('10.0.0.1'), 80)]));
  tx.add(rule(prerouting, [dnatTo(ip('fd00::1'))]));

  const forward = chain('forward', {
    base: { type: 'filter', hook: 'forward', priority: 0, policy: 'drop' },
  });
  tx.add(forward);
  tx.add(rule(forward, [ctState('established', 'related'), counter(), accept()]));
  tx.add(rule(forward, [iifname('cni0'), oifname('eth0', '!='), accept()]));
  tx.add(rule(forward, [iifname('veth*'), jump('lb-1')]));
  tx.add(rule(forward, [inSet(field.ipSaddr, 'nets'), daddr(net('10.0.0.0/8'), '!='), drop()]));
  tx.add(rule(forward, [saddr(ip('fd00::1')), inSet(field.ip6Daddr, 'nets6'), accept()]));
  tx.add(rule(forward, [dport('tcp', [8000, 8080]), rejectWithTcpReset()]));
  tx.add(rule(forward, [updateSet(field.ipSaddr, 'clients', { timeout: 10_000 })]));
  tx.add(rule(forward, [inSet([field.ipDaddr, field.thDport], 'ranges'), accept()]));
  const halves = anonymousVerdicts(
    tx,
    { family: 'inet', name },
    [integer],
    [
      { key: hostU32(0), data: { code: 'jump', chain: 'lb-1' } },
      { key: hostU32(1), data: { code: 'accept' } },
    ],
  );
  tx.add(rule(forward, [vmap(field.randomBelow(2), halves)]));
  tx.add(rule(forward, [reject()]));

  const postrouting = chain('postrouting', { base: { type: 'nat', hook: 'postrouting', priority: 100 } });
  tx.add(postrouting);
  tx.add(rule(postrouting, [daddr(net('224.0.0.0/4')), returns()]));
  tx.add(rule(postrouting, [daddr(net('ff00::/8')), returns()]));
  tx.add(rule(postrouting, [markIs(0x4000, 0x4000), returns()]));
  tx.add(rule(postrouting, [markOr(0x2000)]));
  tx.add(rule(postrouting, [ctStatus('dnat'), inSet([field.ipSaddr, field.ipDaddr], 'pairs'), masquerade()]));
  tx.add(
    rule(
      postrouting,
      [saddr(ip('10.1.2.3')), daddr(net('10.1.2.3/24'), '!='), masquerade()],
      'net: n, if: eth0, id: c',
    ),
  );
  tx.add(rule(postrouting, [masquerade('fully-random')]));
  return tx;
}

function fail(text: string): never {
  throw new Error(`not an address: ${text}`);
}
