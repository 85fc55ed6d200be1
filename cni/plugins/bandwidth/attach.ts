import type { AttachingDelegate } from '../common/delegate.ts';
import { addBandwidth } from './add.ts';
import { delBandwidth } from './del.ts';

/** ADD and DEL of bandwidth, for plugins that call it in their own process. */
export const bandwidthAttaching: AttachingDelegate = { add: addBandwidth, del: delBandwidth };

export const about = 'CNI plugin bandwidth (underpod): limits of what a pod sends and receives';
