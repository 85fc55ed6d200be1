/** flannel's net-conf.json as a file on the node. */

import { type NetConf, parseNetConf } from '../../../shared/config/net-conf.ts';
import { UsageError } from '../../../shared/config/usage-error.ts';
import { readText } from '../../../shared/sys/file.ts';

/** @throws UsageError that names the file and says what to write */
export function readNetConf(path: string): NetConf {
  let text: string;
  try {
    text = readText(path);
  } catch (error) {
    throw new UsageError(
      `cannot read the network configuration ${path}; write one such as {"Network": "10.244.0.0/16"} ` +
        'or name another file with --net-config-path',
      { cause: error },
    );
  }
  try {
    return parseNetConf(text);
  } catch (error) {
    throw new UsageError(path, { cause: error });
  }
}
