import type { Delegate } from '../common/delegate.ts';
import { addHostLocal } from './add.ts';
import { checkHostLocal } from './check.ts';
import { delHostLocal } from './del.ts';
import { prepareGcHostLocal } from './gc.ts';
import { statusHostLocal } from './status.ts';

/** host-local, for plugins that call it in their own process. */
export const hostLocal: Delegate = {
  add: addHostLocal,
  del: delHostLocal,
  check: checkHostLocal,
  status: statusHostLocal,
  prepareGc: ({ conf }) => prepareGcHostLocal(conf),
};
