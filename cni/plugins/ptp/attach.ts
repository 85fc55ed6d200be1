import type { AttachingDelegate } from '../common/delegate.ts';
import { addPtp } from './add.ts';
import { delPtp } from './del.ts';

/** ADD and DEL of ptp, for plugins that call it in their own process. */
export const ptpAttaching: AttachingDelegate = { add: addPtp, del: delPtp };

export const about = 'CNI plugin ptp (underpod): a link between each pod and the host';
