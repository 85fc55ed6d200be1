import type { AttachingDelegate } from '../common/delegate.ts';
import { addTuning } from './add.ts';
import { delTuning } from './del.ts';

/** ADD and DEL of tuning, for plugins that call it in their own process. */
export const tuningAttaching: AttachingDelegate = { add: addTuning, del: delTuning };

export const about =
  'CNI plugin tuning (underpod): kernel parameters of a pod and attributes of its interface';
