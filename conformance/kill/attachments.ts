/** The attachments of a run of kills: what each is owed by a GC that runs beside it, and whether it is whole. */

import { existsSync, readFileSync } from 'node:fs';
import { hostVethName } from '../../cni/plugins/common/attachment.ts';
import { gcJournalPath, lockPath } from '../../cni/plugins/common/attachment-lock.ts';
import { isLocked } from '../../shared/sys/lock.ts';
import type { Container } from '../cni/world.ts';

/** What an ADD answered, as far as it is held against the kernel. */
export interface AddResult {
  readonly ips: readonly { readonly address: string }[];
}

/** One attachment, from before its ADD until after its DEL. */
export class Attachment {
  readonly network: string;
  readonly container: Container;
  /** `live`: the ADD was seen to end well and no DEL has begun. */
  state: 'adding' | 'live' | 'done' = 'adding';
  /** Its ADD may have ended between the making of a GC's list and that GC's first look: then the GC may take it. */
  uncertain = false;
  result: AddResult = { ips: [] };

  constructor(network: string, container: Container) {
    this.network = network;
    this.container = container;
  }

  get key(): { network: string; containerId: string; ifname: string } {
    return { network: this.network, containerId: this.container.id, ifname: this.container.ifname };
  }

  /** True while a call holds the attachment's lock. */
  get isWorkedOn(): boolean {
    return isLocked(lockPath(this.key));
  }

  /** What is missing of a live attachment: interfaces of both ends, addresses in the pod, their reservation. */
  async missing(): Promise<string[]> {
    const { id, ifname } = this.container;
    const veth = hostVethName(this.key);
    const there = readFileSync('/proc/thread-self/net/dev', 'utf8').includes(`${veth}:`);
    const child = Bun.spawn({
      cmd: ['ip', '-n', id, '-j', 'address', 'show', 'dev', ifname],
      stdout: 'pipe',
      stderr: 'ignore',
    });
    const text = await new Response(child.stdout).text();
    await child.exited;
    const links = text.trim() === '' ? [] : (JSON.parse(text) as PodLink[]);
    const addresses = links.flatMap((link) => link.addr_info ?? []).map((a) => `${a.local}/${a.prefixlen}`);
    const ips = this.result.ips.map(({ address }) => address);
    return [
      ...(there ? [] : [`${id}: host interface ${veth}`]),
      ...ips
        .filter((address) => !addresses.includes(address))
        .map((address) => `${id}: ${address} in the pod`),
      ...ips
        .filter((address) => !existsSync(this.#reservation(address)))
        .map((a) => `${id}: reservation of ${a}`),
    ];
  }

  #reservation(address: string): string {
    return `/var/lib/cni/networks/${this.network}/${address.slice(0, address.indexOf('/'))}`;
  }
}

interface PodLink {
  readonly addr_info?: readonly { readonly local: string; readonly prefixlen: number }[];
}

/** True while a GC of the network keeps its journal: an ADD that begins now tells that GC of itself. */
export function gcTakesNotes(network: string): boolean {
  return existsSync(gcJournalPath(network));
}
