import { O } from '../../../shared/sys/constants.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { mkdirp, openFile, readText } from '../../../shared/sys/file.ts';
import { parseArgs } from '../../protocol/args.ts';
import { unavailable } from '../../protocol/error.ts';
import type { StatusRequest } from '../../protocol/plugin.ts';
import { readHostLocalConfig } from './config.ts';

/**
 * STATUS: the section makes sense, its directory can be written, resolvConf read.
 *
 * A full range is no reason to answer "unavailable": runtimes pass that on as "node not ready", and Kubernetes would
 * then evict the very pods that hold the addresses.
 */
export function statusHostLocal(request: StatusRequest): void {
  const { directory, resolvConf } = readHostLocalConfig(request.conf, parseArgs(''));
  try {
    mkdirp(directory, 0o755);
    // A nameless file: it tells a read-only file system or a lack of rights, and leaves nothing.
    openFile(directory, O.TMPFILE | O.WRONLY, 0o600).close();
  } catch (cause) {
    if (!isErrno(cause, 'EOPNOTSUPP', 'EISDIR')) {
      throw unavailable(`host-local cannot write ${directory}: mount it writable or set ipam.dataDir`, {
        cause,
      });
    }
  }
  if (resolvConf === undefined) return;
  try {
    readText(resolvConf);
  } catch (cause) {
    throw unavailable(`ipam.resolvConf: cannot read ${resolvConf}: correct the path or remove the key`, {
      cause,
    });
  }
}
