/**
 * Whose an accepted address is, where the rules themselves do not say it: iptables and firewalld know but addresses,
 * and upstream's rules carry no comment. One file for each address, in /run, since a reboot takes the rules as well.
 *
 * A DEL without prevResult (after an ADD that was killed) and GC find their addresses here. And a late DEL or GC sees
 * that IPAM has given an address to another pod by now, whose rules are the same ones.
 */

import type { Ip } from '../../../shared/ip/ip.ts';
import { formatIp, parseIp } from '../../../shared/ip/ip.ts';
import { readDir } from '../../../shared/sys/directory.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { createExclusive, mkdirp, readTextIfExists, unlinkIfExists } from '../../../shared/sys/file.ts';
import { lock } from '../../../shared/sys/lock.ts';
import { tryAgainLater } from '../../protocol/error.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { AttachmentLock, lockDirectory } from '../common/attachment-lock.ts';

export const recordDirectory = '/run/underpod/firewall';

/** An address that is accepted for an attachment. */
export interface Accepted {
  readonly address: Ip;
  readonly key: AttachmentKey;
  readonly backend: 'firewalld' | 'iptables';
  /** firewalld's zone. */
  readonly zone: string;
}

/**
 * Notes whose the address is from now on. Call it before the rules are made, so that a kill between leaves no rule
 * without a note; the file appears whole or not at all.
 */
export function noteAccepted({ address, key, backend, zone }: Accepted): void {
  const path = pathOf(address);
  mkdirp(recordDirectory, 0o700);
  unlinkIfExists(path);
  createExclusive(path, `${key.network}/${key.containerId}/${key.ifname}\n${backend}\n${zone}\n`, 0o600);
}

/** The address's note; undefined without one, as of upstream's pods. */
export function readAccepted(address: Ip): Accepted | undefined {
  return parse(address, readTextIfExists(pathOf(address)) ?? '');
}

export function forgetAccepted(address: Ip): void {
  unlinkIfExists(pathOf(address));
}

/** The notes of all networks. */
export function listAccepted(): Accepted[] {
  const found: Accepted[] = [];
  for (const name of names()) {
    const address = parseIp(name);
    const accepted = address && readAccepted(address);
    if (accepted) found.push(accepted);
  }
  return found;
}

/** Milliseconds: as long as another may wait for firewalld, and for the lock of iptables, for several addresses. */
const timeoutMs = 30_000;

/**
 * Whoever changes what accepts an address, and the note, holds its lock: rules that know but addresses are the same ones
 * for whoever has the address next. Else a GC or late DEL that has read the note would take away what an ADD has just
 * made for another pod.
 *
 * Where nothing can be written there is no ADD either, and DEL goes on.
 *
 * @throws CniError code 11 when another holds it for too long
 */
export function lockAddresses(addresses: readonly Ip[]): Disposable {
  const paths: string[] = [];
  // Among the locks of attachments, where every GC takes away those of calls that were killed.
  for (const address of addresses) paths.push(`${lockDirectory}/address-${formatIp(address)}.lock`);
  using held = new DisposableStack();
  // All in one order, so that no two wait for each other.
  for (const path of new Set(paths.sort())) {
    try {
      held.use(new AttachmentLock(lock(path, timeoutMs)));
    } catch (cause) {
      if (cause instanceof Error && cause.name === 'LockTimeout')
        throw tryAgainLater(`another call has been changing rules of an address for ${timeoutMs / 1000} s`, {
          details: `find it with "fuser ${path}"`,
          cause,
        });
      if (!isErrno(cause, 'EROFS', 'ENOSPC', 'EDQUOT')) throw cause;
    }
  }
  return held.move();
}

export function isSameAttachment(one: AttachmentKey, other: AttachmentKey): boolean {
  return (
    one.network === other.network && one.containerId === other.containerId && one.ifname === other.ifname
  );
}

function names(): string[] {
  try {
    const found: string[] = [];
    for (const { name } of readDir(recordDirectory)) found.push(name);
    return found;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

function pathOf(address: Ip): string {
  return `${recordDirectory}/${formatIp(address)}`;
}

function parse(address: Ip, text: string): Accepted | undefined {
  const [owner = '', backend, zone] = text.split('\n');
  const [network, containerId, ifname] = owner.split('/');
  if (!network || !containerId || !ifname || !zone) return undefined;
  if (backend !== 'iptables' && backend !== 'firewalld') return undefined;
  return { address, key: { network, containerId, ifname }, backend, zone };
}
