/** TAP devices, which only /dev/net/tun makes: rtnetlink refuses to (tun_validate of the kernel's drivers/net/tun.c). */

import { O } from './constants.ts';
import type { Fd, OwnedFd } from './fd.ts';
import { openFile } from './file.ts';
import { inNetns } from './netns.ts';
import { ioctl } from './socket.ts';

export const tunDevice = '/dev/net/tun';

/** Requests of ioctl(2) and flags, include/uapi/linux/if_tun.h. */
const TUNSETPERSIST = 0x400454cb;
const TUNSETIFF = 0x400454ca;
const TUNSETOWNER = 0x400454cc;
const TUNSETGROUP = 0x400454ce;
const IFF_TAP = 0x0002;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_NO_PI = 0x1000;
const IFF_TUN_EXCL = 0x8000;

/** Size of struct ifreq (include/uapi/linux/if.h); the name comes first, the flags behind it. */
const IFREQ_SIZE = 40;
const FLAGS_OFFSET = 16;

/** A device that is to be made. */
export interface TapSpec {
  /** At most 15 bytes. */
  readonly name: string;
  readonly multiQueue: boolean;
  /** Numbers of the user and the group that may attach to it besides root; undefined for any that may open tunDevice. */
  readonly owner: number | undefined;
  readonly group: number | undefined;
}

/** A device that goes when this is disposed of, or the process ends, unless `keep` was called before. */
export class Tap implements Disposable {
  readonly #fd: OwnedFd;

  private constructor(fd: OwnedFd) {
    this.#fd = fd;
  }

  /**
   * Makes one in a network namespace, down.
   *
   * @throws SyscallError EBUSY where the namespace has a link of that name; ENOENT, ENODEV, ENXIO where the kernel has no
   * such devices; EINVAL where it has no such owner
   */
  static create(netns: OwnedFd, { name, multiQueue, owner, group }: TapSpec): Tap {
    // It is made in the namespace that the file was opened in.
    const fd = inNetns(netns, () => openFile(tunDevice, O.RDWR));
    try {
      const request = new Uint8Array(IFREQ_SIZE);
      request.set(new TextEncoder().encode(name).subarray(0, FLAGS_OFFSET - 1));
      const flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL | (multiQueue ? IFF_MULTI_QUEUE : 0);
      new DataView(request.buffer).setUint16(FLAGS_OFFSET, flags, true);
      ioctl(fd.fd, TUNSETIFF, request, name);
      if (owner !== undefined) ioctl(fd.fd, TUNSETOWNER, owner, `owner ${owner} of ${name}`);
      if (group !== undefined) ioctl(fd.fd, TUNSETGROUP, group, `group ${group} of ${name}`);
      return new Tap(fd);
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  /** One frame a read(2) or write(2). */
  get fd(): Fd {
    return this.#fd.fd;
  }

  /** From now on it stays until somebody deletes it, or its namespace ends. */
  keep(): void {
    ioctl(this.#fd.fd, TUNSETPERSIST, 1, 'a TAP device');
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }
}
