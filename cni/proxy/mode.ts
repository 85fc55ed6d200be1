/**
 * What a mode is to the proxy: a programmer of the model. nftables, iptables and IPVS are three; one that translates when
 * a socket connects would be a fourth. A mode knows nothing of Kubernetes' objects, of other modes, or of what else the
 * proxy does.
 */

import type { Cidr } from '../../shared/ip/cidr.ts';
import type { Family } from './model/endpoint.ts';
import type { LocalDetector, ServicePort, ServicePortName } from './model/service-port.ts';

/** What holds for all services of one family. A change of it is a new mode object. */
export interface ModeSettings {
  readonly family: Family;
  /** 0 to 31. The packet mark's bit that asks for masquerading; set and cleared alone, never the whole mark. */
  readonly masqueradeBit: number;
  readonly masqueradeAll: boolean;
  readonly localDetector: LocalDetector;
  /** Where node ports are served; `all`: every local address but loopback's (the iptables mode has those, too). */
  readonly nodePortAddresses: 'all' | readonly Cidr[];
  /** Addresses of services that exist or may come to exist (ServiceCIDR); what goes to the unused ones is dropped. */
  readonly serviceCidrs: readonly Cidr[];
}

/** All service ports of one family, as the model has them now. */
export interface ServicePorts {
  get(name: ServicePortName): ServicePort | undefined;
  readonly size: number;
  [Symbol.iterator](): Iterator<ServicePort>;
}

/** What programming came to. */
export interface ModeReport {
  /** Elements, rules or servers that were added, changed or removed. */
  readonly changes: number;
  /** What the kernel refused: the rest was programmed. Tried again at the next occasion. */
  readonly refused: readonly { readonly name: ServicePortName; readonly why: string }[];
  /** What was found different from what had been programmed, and mended. */
  readonly repairs: number;
  /** Rules by table: those that there are now, and those that were written. Of a mode whose rules are counted so. */
  readonly rules?: Readonly<Record<string, { readonly total: number; readonly written: number }>>;
  /** What changed was refused as a whole; it was programmed in another way. */
  readonly isRetried?: true;
}

/** One mode at work in one address family. Calls come one at a time; the ports stay as they are during each. */
export interface Mode {
  /**
   * Brings the kernel from whatever it holds to the whole model: at the start, and after a surprise. What is right stays
   * in place, so that a restart disturbs nothing.
   */
  replace(ports: ServicePorts): Promise<ModeReport>;

  /**
   * Programs what changed since the last call. Costs what the change costs, whatever the number of services.
   *
   * @param changed names of ports that are new, different or gone
   */
  update(ports: ServicePorts, changed: ReadonlySet<ServicePortName>): Promise<ModeReport>;

  /** Compares everything programmed with the kernel and mends it, for when somebody else touched it. */
  verify(ports: ServicePorts): Promise<ModeReport>;

  /** What the kernel holds for a port, in words, for `status`. */
  explain(port: ServicePort): Promise<readonly string[]>;

  /**
   * Removes all that this mode ever programs.
   *
   * @param isReplaced another mode serves by now: what open connections go through may stay for them
   * @throws OpenConnections where something does, to be called again later
   */
  cleanUp(isReplaced?: boolean): Promise<void>;
}
