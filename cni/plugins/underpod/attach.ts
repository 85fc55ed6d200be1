import type { AttachingDelegate } from '../common/delegate.ts';
import { addUnderpod } from './add.ts';
import { delUnderpod } from './del.ts';

/** ADD and DEL of underpod, for plugins that call it in their own process. */
export const underpodAttaching: AttachingDelegate = { add: addUnderpod, del: delUnderpod };

export const about = 'CNI plugin underpod: everything a pod needs in one call';
