/** What the mode needs of the kernel, of one address family. */

import type { Address } from '../model/endpoint.ts';
import type { Held } from './compare.ts';
import type { Operation } from './operations.ts';

export interface IpvsKernel extends Held {
  /** Makes the device and the sets where they are missing. @throws Error */
  prepare(): void;

  /** The node's own addresses: all but our device's, loopback and IPv6's link-local ones. */
  nodeAddresses(): Address[];

  /**
   * Carries out operations in their order; goes on after one that failed.
   *
   * @param scheduler of virtual servers
   * @returns the error of each, `undefined` where it was carried out. What is to be deleted and is not there is no error.
   */
  run(operations: readonly Operation[], scheduler: string): (Error | undefined)[];

  /**
   * Takes away virtual servers that the sets name, our addresses, sets and, with the last address, the device.
   *
   * @returns names of sets that rules still look into
   */
  remove(): string[];

  /**
   * The same once another mode serves, but for what open connections go through: virtual servers that have some of TCP, with
   * their addresses, and addresses that the node's own connections come from. New ones of the node come from another address.
   *
   * @returns how many virtual servers and addresses stay for now; the sets stay with them, and the device
   */
  removeUnused(): number;
}
