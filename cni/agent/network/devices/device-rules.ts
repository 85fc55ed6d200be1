import type { Link } from '../../../../shared/netlink/codec/link.ts';
import type { ObservedNetwork } from '../observed.ts';

/** What a kind of device has to say about a link of that kind that is there already. */
export interface DeviceRules<Device> {
  /** Why a link of the right kind cannot become the device by changing it; `undefined` if it can. */
  obstacle(device: Device, link: Link): string | undefined;
  /** Whether the options of its kind that can be changed are right already. */
  sameOptions(device: Device, link: Link, observed: ObservedNetwork): boolean;
}
