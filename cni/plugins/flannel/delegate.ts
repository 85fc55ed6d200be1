import type { Delegate } from '../common/delegate.ts';
import { addFlannel } from './add.ts';
import { checkFlannel } from './check.ts';
import { delFlannel } from './del.ts';
import { prepareGcFlannel } from './gc.ts';
import { statusFlannel } from './status.ts';

/** flannel in the form that plugins call each other by. */
export const flannel: Delegate = {
  add: addFlannel,
  del: delFlannel,
  check: checkFlannel,
  status: statusFlannel,
  prepareGc: prepareGcFlannel,
};
