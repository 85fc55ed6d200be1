/** GC of types that make a veth pair. */

import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { GcRequest } from '../../protocol/plugin.ts';
import { attachmentHash, readAlias } from './attachment.ts';
import type { ErrorCollector } from './collect-errors.ts';
import { collectErrors } from './collect-errors.ts';
import { deleteLinks, deleteTogether } from './delete-links.ts';
import { ipamOf } from './ipam.ts';
import type { Keep } from './keep.ts';
import type { LinkView } from './link-view.ts';
import { listVeths } from './links.ts';
import { readIpMasq } from './veth-config.ts';

/** The second half of something of a type's own. */
type Remove = (keep: Keep) => unknown;

/**
 * GC, first half: lists the network's host interfaces, masquerade rules and (by IPAM) addresses. The function it
 * returns removes what is not to be kept, in DEL's order.
 *
 * @param prepareOwn the first half of what goes once a container cannot send any more
 */
export async function prepareGcVeth(
  request: GcRequest,
  prepareOwn: () => Promise<Remove | undefined> | undefined = () => undefined,
): Promise<(keep: Keep) => Promise<void>> {
  const { conf } = request;
  const errors = collectErrors('GC');
  const type = conf.ipam?.type ?? '';
  const ipam = type === '' ? undefined : await errors.tryAsync(() => ipamOf(type));
  const removeAddresses = await errors.tryAsync(() => ipam?.prepareGc(request));
  const removeRules = await errors.tryAsync(async () =>
    readIpMasq(conf) ? (await import('./masquerade.ts')).prepareGcMasquerade(conf.name) : undefined,
  );
  const removeIptables = await errors.tryAsync(async () =>
    readIpMasq(conf) ? (await import('./masquerade.ts')).prepareGcIptablesMasquerade(conf.name) : undefined,
  );
  const removeOwn = await errors.tryAsync(async () => prepareOwn());
  const veths = errors.try(() => ownVeths(conf.name)) ?? [];
  return async (keep) => {
    if (ipam?.usesInterface) await errors.tryAsync(() => removeAddresses?.(keep));
    removeVeths(conf.name, veths, keep, errors);
    await errors.tryAsync(() => removeOwn?.(keep));
    errors.try(() => removeRules?.(keep));
    await errors.tryAsync(() => removeIptables?.(keep));
    // Whoever has an interface now has been added since, or could not be removed: its addresses are in use.
    errors.try(() => keepAttached(conf.name, keep));
    if (!ipam?.usesInterface) await errors.tryAsync(() => removeAddresses?.(keep));
    errors.throwIfAny();
  };
}

function ownVeths(network: string): LinkView[] {
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  return listVeths(host).filter(({ alias }) => readAlias(network, alias) !== undefined);
}

function removeVeths(network: string, veths: readonly LinkView[], keep: Keep, errors: ErrorCollector): void {
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  for (let at = 0; at < veths.length; at += deleteTogether) {
    // Held until all of these are gone.
    using claims = new DisposableStack();
    const stale: LinkView[] = [];
    for (const veth of veths.slice(at, at + deleteTogether)) {
      const owner = readAlias(network, veth.alias);
      if (owner === undefined) continue;
      const hash = owner.kind === 'hashed' ? owner.hash : attachmentHash({ network, ...owner });
      if (keep.hasHash(hash)) continue;
      const claim = errors.try(() => keep.claimHash(hash));
      if (!claim) continue;
      claims.use(claim);
      stale.push(veth);
    }
    errors.try(() => deleteLinks(host, stale, errors));
  }
}

function keepAttached(network: string, keep: Keep): void {
  for (const { alias } of ownVeths(network)) {
    const owner = readAlias(network, alias);
    if (owner?.kind === 'plain') keep.add(owner);
    else if (owner) keep.addHash(owner.hash);
  }
}
