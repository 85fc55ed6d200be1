/** The links of a container, with the VRFs among them. */

import { decodeLink } from '../../../shared/netlink/codec/link.ts';
import { readVrf } from '../../../shared/netlink/codec/link-kinds/vrf.ts';
import { dumpLinks } from '../../../shared/netlink/requests/link.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { LinkView } from '../common/link-view.ts';
import { viewLink } from '../common/link-view.ts';

/** A link; `table` is a VRF's. */
export interface PodLink extends LinkView {
  readonly table?: number;
}

export function readPodLinks(pod: NetlinkSocket): PodLink[] {
  const links: PodLink[] = [];
  for (const { payload } of pod.dump(dumpLinks())) {
    const link = viewLink(payload);
    const table = link.kind === 'vrf' ? tableOf(payload) : undefined;
    links.push(table === undefined ? link : { ...link, table });
  }
  return links;
}

export function linkNamed(links: readonly PodLink[], name: string): PodLink | undefined {
  for (const link of links) if (link.name === name) return link;
  return undefined;
}

/** The VRF of that name; undefined without one. @throws CniError code 7 where the name is another kind's */
export function vrfNamed(links: readonly PodLink[], name: string): PodLink | undefined {
  const link = linkNamed(links, name);
  if (link === undefined || link.kind === 'vrf') return link;
  throw invalidConfig(`the container's interface ${name} is no VRF: give "vrfname" another name`);
}

function tableOf(payload: Uint8Array): number | undefined {
  const { kind } = decodeLink(payload);
  return kind?.kind === 'other' && kind.data ? readVrf(kind.data).table : undefined;
}
