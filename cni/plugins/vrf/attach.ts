import type { AttachingDelegate } from '../common/delegate.ts';
import { addVrf } from './add.ts';
import { delVrf } from './del.ts';

/** ADD and DEL of vrf. */
export const vrfAttaching: AttachingDelegate = { add: addVrf, del: delVrf };

export const about =
  'CNI plugin vrf (underpod): the interface gets routing tables that only it and its like use';
