/**
 * What host-local's files say and how they are called. Pure.
 *
 * `<dataDir>/<network>/<address>` holds `<containerID>\r\n<ifname>`. Older versions wrote the container's id alone,
 * with or without a line end. `last_reserved_ip.<index of the range set>` holds an address, `lock` nothing.
 */

import type { Ip } from '../../../shared/ip/ip.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import type { Attachment } from '../../protocol/net-conf.ts';

/** Who holds an address. */
export interface Owner {
  readonly containerId: string;
  /** Absent in files of old versions. */
  readonly ifname: string | undefined;
}

const separator = '\r\n';

/** The content of the file of an address that `attachment` gets. */
export function formatRecord(attachment: Attachment): string {
  return `${attachment.containerId}${separator}${attachment.ifname}`;
}

/** The owner that a file names; undefined for an empty one, which a power cut leaves. */
export function parseRecord(text: string): Owner | undefined {
  const record = text.trim();
  if (record === '') return undefined;
  const at = record.indexOf(separator);
  if (at < 0) return { containerId: record, ifname: undefined };
  return { containerId: record.slice(0, at), ifname: record.slice(at + separator.length) };
}

/** How well an owner matches an attachment: an old record names no interface and is as good as any of its container. */
export function matchOwner(owner: Owner | undefined, attachment: Attachment): 'exact' | 'legacy' | undefined {
  if (owner?.containerId !== attachment.containerId) return undefined;
  if (owner.ifname === undefined) return 'legacy';
  return owner.ifname === attachment.ifname ? 'exact' : undefined;
}

/** The address that a file stands for, or undefined where it is another file. */
export function addressOfFile(name: string): Ip | undefined {
  return parseIp(name);
}

/** The file that remembers where the round robin of a range set stands. */
export function lastReservedFile(rangeSet: number): string {
  return `last_reserved_ip.${rangeSet}`;
}

/** True for what createExclusive (shared/sys) leaves after a kill where the file system has no nameless files. */
export function isTemporary(name: string): boolean {
  return name.startsWith('.') && name.endsWith('.tmp');
}
