import { describe, expect, test } from 'vitest';
import { parseCidr } from '../../shared/ip/cidr.ts';
import { createLogger } from '../../shared/log/logger.ts';
import { RTPROT } from '../../shared/netlink/codec/route.ts';
import { SyscallError } from '../../shared/sys/errno.ts';
import { type ForwardingInput, planForwarding } from './forwarding.ts';
import { ForwardingSync } from './forwarding-sync.ts';
import { FakeKernel } from './kernel/fake-kernel.ts';
import { FakeNetwork } from './kernel/fake-network.ts';

const cidr = (text: string): NonNullable<ReturnType<typeof parseCidr>> => parseCidr(text)!;

/** eth0 towards the nodes, wlan0 with a router's route, eth1 with a router's address, br0 with neither. */
function machine(): FakeNetwork {
  const network = new FakeNetwork();
  network.addLink('eth0', [cidr('2001:db8::1/64')]);
  const wlan0 = network.addLink('wlan0');
  const eth1 = network.addLink('eth1');
  network.addLink('br0', [cidr('fd00:1::1/64')]);
  network.addAddress(eth1.index, cidr('2001:db8:1::5/64'), { protocol: 2 });
  network.routes.push({
    destination: cidr('::/0'),
    oif: wlan0.index,
    table: 254,
    protocol: RTPROT.RA,
    scope: 0,
    type: 1,
    flags: 0,
    tos: 0,
  });
  return network;
}

function plan(part: Partial<ForwardingInput>, sysctls: Record<string, string>): string[] {
  const input = { v4: false, v6: false, observed: machine(), devices: [], underlays: ['eth0'], ...part };
  return planForwarding(input, (key) => sysctls[key]).map(({ key, value }) => `${key}=${value}`);
}

const accept = (link: string, value: string): [string, string] => [`net/ipv6/conf/${link}/accept_ra`, value];
const off = {
  'net/ipv4/ip_forward': '0',
  'net/ipv6/conf/all/forwarding': '0',
  ...Object.fromEntries(['eth0', 'wlan0', 'eth1', 'br0', 'lo'].map((link) => accept(link, '1'))),
};

describe('forwarding', () => {
  test('is switched on for the families that the cluster has', () => {
    expect(plan({ v4: true }, off)).toEqual(['net/ipv4/ip_forward=1']);
    expect(plan({ v4: true }, { ...off, 'net/ipv4/ip_forward': '1' })).toEqual([]);
  });

  test('of IPv6 comes after accept_ra=2 wherever a router is listened to', () => {
    expect(plan({ v6: true }, off)).toEqual([
      'net/ipv6/conf/eth0/accept_ra=2',
      'net/ipv6/conf/wlan0/accept_ra=2',
      'net/ipv6/conf/eth1/accept_ra=2',
      'net/ipv6/conf/all/forwarding=1',
    ]);
  });

  test('of each interface is asked for once that of all is on: a new one starts with conf/default', () => {
    const own = (name: string, v4: string, v6: string): [string, string][] => [
      [`net/ipv4/conf/${name}/forwarding`, v4],
      [`net/ipv6/conf/${name}/forwarding`, v6],
    ];
    const on = { 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' };
    const both = { v4: true, v6: true, devices: ['flannel.1'] };
    const all = {
      ...off,
      ...on,
      ...Object.fromEntries(['eth0', 'wlan0', 'eth1'].map((l) => accept(l, '0'))),
    };
    const some = Object.fromEntries([...own('flannel.1', '0', '0'), ...own('eth0', '0', '0')]);
    expect(plan(both, { ...all, ...some, ...Object.fromEntries(own('wlan0', '0', '0')) })).toEqual([
      'net/ipv4/conf/flannel.1/forwarding=1',
      'net/ipv4/conf/eth0/forwarding=1',
      'net/ipv6/conf/flannel.1/forwarding=1',
      'net/ipv6/conf/eth0/forwarding=1',
    ]);
    // The global one sets them all.
    expect(plan({ v4: true, devices: ['flannel.1'] }, { ...some, 'net/ipv4/ip_forward': '0' })).toEqual([
      'net/ipv4/ip_forward=1',
    ]);
    // IPv6: never before advertisements are listened to nevertheless.
    expect(plan({ v6: true }, { ...all, ...some, ...Object.fromEntries([accept('eth0', '1')]) })).toEqual([
      'net/ipv6/conf/eth0/accept_ra=2',
      'net/ipv6/conf/eth0/forwarding=1',
    ]);
  });

  test('that somebody else switched on first gets accept_ra=2 nevertheless', () => {
    expect(plan({ v6: true }, { ...off, 'net/ipv6/conf/all/forwarding': '1' })).toEqual([
      'net/ipv6/conf/eth0/accept_ra=2',
      'net/ipv6/conf/wlan0/accept_ra=2',
      'net/ipv6/conf/eth1/accept_ra=2',
    ]);
  });

  test('leaves an accept_ra that somebody chose alone', () => {
    const chosen = { ...off, ...Object.fromEntries([accept('eth0', '0'), accept('wlan0', '2')]) };
    expect(plan({ v6: true }, chosen)).toEqual([
      'net/ipv6/conf/eth1/accept_ra=2',
      'net/ipv6/conf/all/forwarding=1',
    ]);
  });

  test('a kernel without IPv6 has nothing to set', () => {
    expect(plan({ v4: true, v6: true, devices: ['flannel.1'] }, { 'net/ipv4/ip_forward': '0' })).toEqual([
      'net/ipv4/ip_forward=1',
    ]);
  });
});

test('the tunnel takes no advertisements, and a strict source check is made loose there', () => {
  const device = { 'net/ipv6/conf/flannel.1/accept_ra': '1', 'net/ipv4/conf/flannel.1/rp_filter': '0' };
  expect(plan({ devices: ['flannel.1'] }, { ...device, 'net/ipv4/conf/all/rp_filter': '2' })).toEqual([
    'net/ipv6/conf/flannel.1/accept_ra=0',
  ]);
  expect(plan({ devices: ['flannel.1'] }, { ...device, 'net/ipv4/conf/all/rp_filter': '1' })).toEqual([
    'net/ipv6/conf/flannel.1/accept_ra=0',
    'net/ipv4/conf/flannel.1/rp_filter=2',
  ]);
  const settled = { 'net/ipv6/conf/flannel.1/accept_ra': '0', 'net/ipv4/conf/flannel.1/rp_filter': '2' };
  expect(plan({ devices: ['flannel.1'] }, { ...settled, 'net/ipv4/conf/all/rp_filter': '1' })).toEqual([]);
});

describe('where /proc/sys is read-only', () => {
  const lines: string[] = [];
  const log = createLogger('agent', { level: 'warn', sink: (line) => lines.push(line) });

  /** A kernel that holds these, and lets nobody set them. */
  function locked(sysctls: Record<string, string>): ForwardingSync {
    lines.length = 0;
    const kernel = new FakeKernel();
    for (const [key, value] of Object.entries(sysctls)) kernel.sysctls.set(key, value);
    kernel.writeSysctl = (key) => {
      // EROFS
      throw new SyscallError('openat', 30, `/proc/sys/${key}`);
    };
    const families = { v4: true, v6: false };
    return new ForwardingSync({ kernel, log, families, devices: ['flannel.1'], allowRepair: () => true });
  }

  test('pods do without what flanneld does not set either, which is said once', () => {
    const sync = locked({ 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/flannel.1/accept_ra': '1' });
    sync.sync({});
    sync.sync({});
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('net.ipv6.conf.flannel/1.accept_ra');
  });

  test('a node that does not forward is told what to do', () => {
    const sync = locked({ 'net/ipv4/ip_forward': '0' });
    expect(() => sync.sync({})).toThrow('sysctl -w net.ipv4.ip_forward=1');
  });
});
