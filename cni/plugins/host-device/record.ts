/**
 * Which device an attachment took from the host. The device itself carries only its old name, in its alias, as
 * upstream's; so neither a DEL that is not told the namespace nor a GC could find it. A file each, in /run: a reboot
 * gives the devices back.
 */

import { readDir } from '../../../shared/sys/directory.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { createExclusive, mkdirp, readTextIfExists, unlinkIfExists } from '../../../shared/sys/file.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { attachmentHash } from '../common/attachment.ts';

export const recordDirectory = '/run/underpod/host-device';

/** A device that is in a container, or is about to be. */
export interface Taken {
  readonly key: AttachmentKey;
  /** The device's name on the host. */
  readonly device: string;
  /** Path of the container's namespace. */
  readonly netns: string;
  /** The namespace's inode in nsfs: a path may be another's later. */
  readonly inode: bigint;
  /** The kernel gives it back when the namespace ends; a virtual device ends with it. */
  readonly isReal: boolean;
}

/**
 * Which devices the kernel gives back when their namespace ends: those that are of no kind, and those of kinds that
 * say so (`netns_refund` of rtnl_link_ops, set in drivers/net/can/dev and drivers/infiniband/ulp/ipoib; see
 * default_device_exit_net, net/core/dev.c). All others end with it, also where hardware is behind them.
 */
export function isGivenBack(kind: string): boolean {
  return kind === '' || kind === 'can' || kind === 'ipoib';
}

/** Digits of the hash in the file name: as unique as a name needs to be. */
const nameDigits = 32;

/** Before the device is moved, so that no kill leaves one that is taken without a note. The file appears whole. */
export function noteTaken({ key, device, netns, inode, isReal }: Taken): void {
  const path = pathOf(key);
  mkdirp(recordDirectory, 0o700);
  unlinkIfExists(path);
  const { network, containerId, ifname } = key;
  const lines = [
    `${network}/${containerId}/${ifname}`,
    device,
    netns,
    inode,
    isReal ? 'real' : 'virtual',
    '',
  ];
  createExclusive(path, lines.join('\n'), 0o600);
}

/** Undefined without a note, as of upstream's pods. */
export function readTaken(key: AttachmentKey): Taken | undefined {
  return parse(readTextIfExists(pathOf(key)) ?? '');
}

/** Once the device is back. */
export function forgetTaken(key: AttachmentKey): void {
  unlinkIfExists(pathOf(key));
}

/** The notes of a network. */
export function listTaken(network: string): Taken[] {
  try {
    return readDir(recordDirectory)
      .map(({ name }) => parse(readTextIfExists(`${recordDirectory}/${name}`) ?? ''))
      .filter((taken) => taken !== undefined)
      .filter(({ key }) => key.network === network);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

function pathOf(key: AttachmentKey): string {
  return `${recordDirectory}/${attachmentHash(key).slice(0, nameDigits)}`;
}

function parse(text: string): Taken | undefined {
  const [owner = '', device, netns, inode, kind] = text.split('\n');
  const [network, containerId, ifname] = owner.split('/');
  if (!network || !containerId || !ifname || !device || !netns || !inode) return undefined;
  return {
    key: { network, containerId, ifname },
    device,
    netns,
    inode: BigInt(inode),
    isReal: kind === 'real',
  };
}
