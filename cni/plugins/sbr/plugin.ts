/**
 * Type `sbr`, chained: source based routing. Packets from each of the interface's addresses take the routes of that
 * interface, whatever other interfaces and default routes the container has.
 *
 * Keys, as upstream's:
 * - `table`: the routes are in this table already, and only rules are made. Without it each address gets a table of its
 *   own, and the interface's routes move there.
 * - `gateways`: for the default routes, one a family, in place of what prevResult says.
 * - `addSourceHints`: the subnets stay in the main table, too.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { about, sbrAttaching } from './attach.ts';
import { checkSbr } from './check.ts';
import { readSbrConfig } from './config.ts';

export const plugin: Plugin = {
  type: 'sbr',
  about,
  ...sbrAttaching,
  check: checkSbr,
  /** All of it ends with the container's namespace. */
  gc() {},
  status({ conf }) {
    readSbrConfig(conf);
  },
};
