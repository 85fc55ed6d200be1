import { formatMac } from '../../../shared/ip/mac.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import type { OwnedFd } from '../../../shared/sys/fd.ts';
import { inNetns } from '../../../shared/sys/netns.ts';
import { readSysctl } from '../../../shared/sys/sysctl.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { CheckRequest } from '../../protocol/plugin.ts';
import { checkFailed } from '../common/check-failed.ts';
import { readLink } from '../common/links.ts';
import { openPodNetns } from '../common/pod-netns.ts';
import { readTuningConfig, type Sysctl, sysctlOf } from './config.ts';
import { settingsOf } from './link.ts';
import type { Settings } from './settings.ts';

/** CHECK: parameters and interface are as configured. What is not configured is the pod's own affair. */
export function checkTuning({ conf, env }: CheckRequest): void {
  const { sysctls, settings } = readTuningConfig(conf, env.args);
  if (!conf.prevResult) throw invalidConfig('CHECK needs "prevResult": pass the result of ADD');
  using netns = openPodNetns(env.netns);
  for (const sysctl of sysctls) checkSysctl(netns, sysctl, env.ifname);
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  const link = readLink(pod, { name: env.ifname });
  if (!link) throw checkFailed(`the pod has no interface ${env.ifname}`);
  const now = settingsOf(link, settings);
  for (const name of Object.keys(settings) as (keyof Settings)[]) {
    const [found, wanted] = [shown(now[name]), shown(settings[name])];
    if (found !== wanted) throw checkFailed(`${env.ifname} has ${name} ${found}, not ${wanted}`);
  }
}

function checkSysctl(netns: OwnedFd, sysctl: Sysctl, ifname: string): void {
  const path = sysctlOf(sysctl, ifname);
  let now: string | undefined;
  try {
    now = inNetns(netns, () => readSysctl(path));
  } catch (error) {
    // One that can only be written, such as net/ipv4/route/flush.
    if (isErrno(error, 'EACCES', 'EPERM')) return;
    // So the kernel says of net/ipv6/conf/…/stable_secret that nobody has set it.
    if (isErrno(error, 'EIO'))
      throw checkFailed(`sysctl ${JSON.stringify(sysctl.key)} has no value, not ${words(sysctl.value)}`);
    throw error;
  }
  if (now === undefined) throw checkFailed(`the pod's network namespace has no /proc/sys/${path}`);
  if (words(now) === words(sysctl.value)) return;
  throw checkFailed(`sysctl ${JSON.stringify(sysctl.key)} is ${words(now)}, not ${words(sysctl.value)}`);
}

/** The kernel parts the numbers of a list by tabs, whatever was written. */
function words(value: string): string {
  return value.trim().split(/\s+/).join(' ');
}

function shown(value: Settings[keyof Settings]): string {
  return value instanceof Uint8Array ? formatMac(value) : String(value);
}
