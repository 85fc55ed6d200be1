import type { AttachingDelegate } from '../common/delegate.ts';
import { addHostLocal } from './add.ts';
import { delHostLocal } from './del.ts';

/** ADD and DEL of host-local, for plugins that call it in their own process. */
export const hostLocalAttaching: AttachingDelegate = { add: addHostLocal, del: delHostLocal };

export const about = 'CNI plugin host-local (underpod): addresses from ranges';
