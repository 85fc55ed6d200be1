import type { AttachingDelegate } from '../common/delegate.ts';
import { addDhcp } from './add.ts';
import { delDhcp } from './del.ts';

/** ADD and DEL of dhcp, for plugins that call it in their own process. */
export const dhcpAttaching: AttachingDelegate = { usesInterface: true, add: addDhcp, del: delDhcp };

export const about = 'CNI plugin dhcp (underpod): addresses from a DHCP server, kept by a daemon';
