import type { Delegate } from '../common/delegate.ts';
import { addBridge } from './add.ts';
import { checkBridge } from './check.ts';
import { delBridge } from './del.ts';
import { prepareGcBridge } from './gc.ts';
import { statusBridge } from './status.ts';

/** bridge, for plugins that call it in their own process. */
export const bridge: Delegate = {
  add: (request) => addBridge(request),
  del: delBridge,
  check: checkBridge,
  status: statusBridge,
  prepareGc: prepareGcBridge,
};
