import type { AttachingDelegate } from '../common/delegate.ts';
import { addFlannel } from './add.ts';
import { delFlannel } from './del.ts';

/** ADD and DEL of flannel, for plugins that call it in their own process. */
export const flannelAttaching: AttachingDelegate = { add: addFlannel, del: delFlannel };

export const about = 'CNI plugin flannel (underpod): a delegate in the node’s subnet';
