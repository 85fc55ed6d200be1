import { formatMac } from '../../../shared/ip/mac.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { OwnedFd } from '../../../shared/sys/fd.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { Interface, Result } from '../../protocol/result.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { readLink } from '../common/links.ts';
import type { TuningConfig } from './config.ts';
import { changeSettings, settingsOf } from './link.ts';
import { saveSettings } from './saved.ts';
import type { Settings } from './settings.ts';

/** Writes down what the pod's interface is, then changes it: all or nothing. */
export function addSettings(netns: OwnedFd, key: AttachmentKey, { settings, dataDir }: TuningConfig): void {
  const { ifname } = key;
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  const link = readLink(pod, { name: ifname });
  if (!link) {
    throw invalidConfig(`the pod has no interface ${ifname}: tuning comes after the plugin that makes it`);
  }
  const before = settingsOf(link, settings);
  const undo = saveSettings(key, dataDir, before);
  const [refused] = changeSettings(pod, ifname, settings);
  if (!refused) return;
  const [stuck] = changeSettings(pod, ifname, before);
  // Then what it was stays written down.
  if (stuck)
    throw new AggregateError([refused, stuck], 'ADD failed, and so did undoing it: DEL will try again');
  undo();
  throw refused;
}

/** prevResult with what the pod's interface has now. */
export function tunedResult(result: Result, ifname: string, { mac, mtu }: Settings): Result {
  const interfaces: Interface[] = [];
  for (const one of result.interfaces) {
    if (one.name !== ifname || !one.sandbox) interfaces.push(one);
    else
      interfaces.push({
        ...one,
        ...(mac && { mac: formatMac(mac) }),
        // Not every plugin tells it.
        ...(mtu !== undefined && one.mtu !== undefined && { mtu }),
      });
  }
  return { ...result, interfaces };
}
