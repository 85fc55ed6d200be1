import type { AttachingDelegate } from '../common/delegate.ts';
import { addSbr } from './add.ts';
import { delSbr } from './del.ts';

/** ADD and DEL of sbr. */
export const sbrAttaching: AttachingDelegate = { add: addSbr, del: delSbr };

export const about = 'CNI plugin sbr (underpod): packets take routes by the address that they come from';
