import type { AttachingDelegate } from '../common/delegate.ts';
import { addBridge } from './add.ts';
import { delBridge } from './del.ts';

/** ADD and DEL of bridge, for plugins that call it in their own process. */
export const bridgeAttaching: AttachingDelegate = { add: addBridge, del: delBridge };

export const about = 'CNI plugin bridge (underpod): pods on a bridge of the host';
