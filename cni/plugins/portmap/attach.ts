import type { AttachingDelegate } from '../common/delegate.ts';
import { addPortmap } from './add.ts';
import { delPortmap } from './del.ts';

/** ADD and DEL of portmap, for plugins that call it in their own process. */
export const portmapAttaching: AttachingDelegate = { add: addPortmap, del: delPortmap };

export const about = 'CNI plugin portmap (underpod): ports of the node that lead to a pod';
