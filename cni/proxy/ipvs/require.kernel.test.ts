import { describe, expect, test } from 'vitest';
import { kernelHas } from '../../../conformance/testing/kernel-features.ts';
import { freshNetns } from '../../../conformance/testing/netns.ts';
import { silentLogger } from '../../../shared/log/logger.ts';
import { Ipvs } from '../../../shared/netlink/ipvs.ts';
import { readSysctl } from '../../../shared/sys/sysctl.ts';
import { type IpvsSection, parametersOf, prepareIpvs } from './require.ts';

const section: IpvsSection = {
  scheduler: '',
  tcpTimeout: 0,
  tcpFinTimeout: 0,
  udpTimeout: 0,
  strictARP: true,
};

const available = freshNetns();
const hasIpvs = kernelHas('ipvs');

test.skipIf(!available || hasIpvs)('without IPVS in the kernel it is said what to do', async () => {
  await expect(prepareIpvs(section, silentLogger)).rejects.toThrow(
    /mode ipvs needs IPVS, which this kernel does not have \(modprobe ip_vs\): load it, or write "mode: nftables"/,
  );
});

describe.skipIf(!available || !hasIpvs)('IPVS in the kernel', () => {
  test('gets its timeouts and parameters, and a trial leaves nothing', async () => {
    using kernel = Ipvs.open();
    const before = kernel.timeouts();
    await prepareIpvs({ ...section, tcpTimeout: 100_000, udpTimeout: 20_500 }, silentLogger);
    expect(kernel.timeouts()).toEqual({ tcp: 100, tcpFin: before.tcpFin, udp: 20 });
    for (const [key, value] of parametersOf(section)) expect([key, readSysctl(key)]).toEqual([key, value]);
    expect(kernel.virtualServers()).toEqual([]);
  });

  test('a scheduler that is missing is named', async () => {
    await expect(prepareIpvs({ ...section, scheduler: 'nosuch' }, silentLogger)).rejects.toThrow(
      /IPVS's scheduler nosuch is missing \(modprobe ip_vs_nosuch\)/,
    );
    await prepareIpvs({ ...section, scheduler: 'mh' }, silentLogger);
  });
});
