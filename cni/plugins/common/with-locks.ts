import type { Plugin } from '../../protocol/plugin.ts';
import { attachmentHash } from './attachment.ts';
import { lockAttachment, removeStaleLocks } from './attachment-lock.ts';

/**
 * A plugin as the outermost one of a call: ADD and DEL hold the attachment's lock.
 *
 * @param heldLock hash of the attachment whose lock a process above us holds already
 */
export function withLocks(plugin: Plugin, heldLock?: string): Plugin {
  async function locked<R extends Parameters<Plugin['add']>[0] | Parameters<Plugin['del']>[0], T>(
    request: R,
    run: (request: R) => T | Promise<T>,
  ): Promise<T> {
    const { containerId, ifname } = request.env;
    const key = { network: request.conf.name, containerId, ifname };
    if (heldLock !== undefined && heldLock === attachmentHash(key)) return run(request);
    using _lock = lockAttachment(key);
    return await run(request);
  }
  return {
    type: plugin.type,
    about: plugin.about,
    add: (request) => locked(request, (inner) => plugin.add(inner)),
    del: (request) => locked(request, (inner) => plugin.del(inner)),
    check: (request) => plugin.check(request),
    status: (request) => plugin.status(request),
    async gc(request) {
      await plugin.gc(request);
      removeStaleLocks();
    },
  };
}
