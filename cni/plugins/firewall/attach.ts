import type { AttachingDelegate } from '../common/delegate.ts';
import { addFirewall } from './add.ts';
import { delFirewall } from './del.ts';

/** ADD and DEL of firewall, for plugins that call it in their own process. */
export const firewallAttaching: AttachingDelegate = { add: addFirewall, del: delFirewall };

export const about = 'CNI plugin firewall (underpod): pods that the host’s firewall lets through';
