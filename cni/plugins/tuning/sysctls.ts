/** Kernel parameters of the pod's namespace: set all, or none. */

import { isErrno } from '../../../shared/sys/errno.ts';
import type { OwnedFd } from '../../../shared/sys/fd.ts';
import { inNetns } from '../../../shared/sys/netns.ts';
import { readSysctl, writeSysctl } from '../../../shared/sys/sysctl.ts';
import { invalidConfig, ioFailure } from '../../protocol/error.ts';
import { type Sysctl, sysctlOf } from './config.ts';

/** A parameter's value from before. */
interface Former {
  readonly path: string;
  readonly value: string;
}

/**
 * Sets the parameters, in the order of the configuration.
 *
 * @returns what sets them back, in the same namespace
 * @throws CniError naming the one that failed; those before it are set back
 */
export function setSysctls(
  netns: OwnedFd,
  sysctls: readonly Sysctl[],
  ifname: string,
): (netns: OwnedFd) => void {
  const former: Former[] = [];
  inNetns(netns, () => {
    for (const sysctl of sysctls) {
      const path = sysctlOf(sysctl, ifname);
      try {
        const value = readFormer(path);
        writeSysctl(path, sysctl.value);
        if (value !== undefined) former.push({ path, value });
      } catch (error) {
        putBack(former);
        throw refusal(sysctl, path, error);
      }
    }
  });
  return (again) => inNetns(again, () => putBack(former));
}

/**
 * Undefined for what can only be written, such as `net/ipv4/route/flush`, and for what has no value yet: that is an EIO
 * of `stable_secret` (addrconf_sysctl_stable_secret, net/ipv6/addrconf.c).
 */
function readFormer(path: string): string | undefined {
  try {
    return readSysctl(path);
  } catch (error) {
    if (isErrno(error, 'EACCES', 'EPERM', 'EIO')) return undefined;
    throw error;
  }
}

/** One that cannot be set back keeps no other from it: the pod goes anyway, and the namespace with it. */
function putBack(former: readonly Former[]): void {
  for (let at = former.length - 1; at >= 0; at--) {
    const { path, value } = former[at] as Former;
    try {
      writeSysctl(path, value);
    } catch {}
  }
}

function refusal({ key, value }: Sysctl, path: string, cause: unknown): Error {
  const name = `sysctl ${JSON.stringify(key)}`;
  if (isErrno(cause, 'ENOENT', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG')) {
    return invalidConfig(`${name}: the pod's network namespace has no /proc/sys/${path}`, {
      details: 'correct the name, or load the kernel module that has it',
      cause,
    });
  }
  if (isErrno(cause, 'EINVAL', 'ERANGE', 'E2BIG')) {
    return invalidConfig(`${name}: the kernel does not take the value ${JSON.stringify(value)}`, { cause });
  }
  if (isErrno(cause, 'EACCES', 'EPERM')) {
    return ioFailure(`${name}: /proc/sys/${path} cannot be written`, {
      details: 'it is read-only in a pod, or this plugin does not run as root',
      cause,
    });
  }
  return new Error(`${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
