import { afterAll, describe, expect, test } from 'vitest';
import { kernelHas } from '../../../conformance/testing/kernel-features.ts';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { Ipvs } from '../../../shared/netlink/ipvs.ts';
import { newVirtualServer } from '../../../shared/netlink/requests/ipvs.ts';
import { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { formatAddress } from '../model/endpoint.ts';
import { address } from '../testing/ports.ts';
import { kernelContract } from './contract.ts';
import { ipEntry, serverKeyOf, virtualServerOf } from './keys.ts';
import { LinuxIpvs } from './linux-kernel.ts';
import { addressOperation } from './operations.ts';

describe.skipIf(!freshNetns() || !kernelHas('ipvs', 'dummy'))('Linux', () => {
  const links = Rtnetlink.open();
  const opened: LinuxIpvs[] = [];
  afterAll(() => {
    for (const kernel of opened) kernel[Symbol.dispose]();
    links[Symbol.dispose]();
  });
  const make = (family: 4 | 6): LinuxIpvs => {
    const kernel = new LinuxIpvs(family, links);
    opened.push(kernel);
    return kernel;
  };
  for (const family of [4, 6] as const) kernelContract(family, () => make(family));

  test("a family leaves the other's addresses, and both what is nobody's of them", () => {
    const [four, six] = [make(4), make(6)];
    for (const kernel of [four, six]) kernel.prepare();
    four.run([addressOperation('add', ipEntry(address('10.96.0.1')))], 'rr');
    six.run([addressOperation('add', ipEntry(address('fd00:96::1')))], 'rr');
    using kernel = Ipvs.open();
    const somebody = virtualServerOf(serverKeyOf(address('192.0.2.77'), 80, 'TCP'));
    kernel.socket.request(
      newVirtualServer(kernel.family, { ...somebody, scheduler: 'rr', flags: 0, timeout: 0, prefix: 32 }),
    );
    expect(four.remove()).toEqual([]);
    expect([...six.addresses()].map(formatAddress)).toEqual(['fd00:96::1']);
    expect(six.remove()).toEqual([]);
    expect(run('ip', '-o', 'link')).not.toContain('kube-ipvs0');
    expect(kernel.virtualServers()).toMatchObject([somebody]);
  });

  test("the node's addresses are all but the device's and loopback ones", () => {
    const four = make(4);
    four.prepare();
    four.run([addressOperation('add', ipEntry(address('10.96.0.1')))], 'rr');
    run('ip', 'link', 'add', 'eth0', 'type', 'dummy');
    for (const one of ['192.0.2.1/24', '169.254.7.7/16', '203.0.113.7/32'])
      run('ip', 'address', 'add', one, 'dev', 'eth0');
    run('ip', 'address', 'add', '127.0.0.9/32', 'dev', 'lo');
    expect(four.nodeAddresses().map(formatAddress).sort()).toEqual(
      ['169.254.7.7', '192.0.2.1', '203.0.113.7'].toSorted(),
    );
    four.remove();
  });
});
