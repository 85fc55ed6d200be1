import type { Plugin } from '../../protocol/plugin.ts';
import type { AttachmentKey } from './attachment.ts';
import { attachmentHash } from './attachment.ts';
import {
  lockAttachment,
  lockAttachmentForDel,
  noteAdd,
  removeDeadJournal,
  removeStaleLocks,
  requireLockDirectory,
} from './attachment-lock.ts';

/**
 * A plugin as the outermost one of a call: ADD and DEL hold the attachment's lock, GC has a journal.
 *
 * @param heldLock hash of the attachment whose lock a process above us holds already, or of the network whose GC it is
 */
export function withLocks(plugin: Plugin, heldLock?: string): Plugin {
  async function locked<R extends Parameters<Plugin['add']>[0] | Parameters<Plugin['del']>[0], T>(
    request: R,
    take: (key: AttachmentKey) => Disposable | undefined,
    run: (request: R, key: AttachmentKey) => T | Promise<T>,
  ): Promise<T> {
    const { containerId, ifname } = request.env;
    const key = { network: request.conf.name, containerId, ifname };
    if (heldLock !== undefined && heldLock === attachmentHash(key)) return run(request, key);
    using _lock = take(key);
    return await run(request, key);
  }
  return {
    type: plugin.type,
    about: plugin.about,
    add: (request) =>
      locked(request, lockAttachment, (inner, key) => {
        noteAdd(key);
        return plugin.add(inner);
      }),
    del: (request) =>
      locked(request, lockAttachmentForDel, async (inner) => {
        await plugin.del(inner);
        removeDeadJournal(inner.conf.name);
      }),
    check: (request) => plugin.check(request),
    status(request) {
      requireLockDirectory();
      return plugin.status(request);
    },
    async gc(request) {
      const { name } = request.conf;
      // GC is rare: what only it needs is loaded then.
      const { GcJournal, gcHash } = await import('./gc-journal.ts');
      if (heldLock === gcHash(name)) {
        await plugin.gc(request);
        return;
      }
      {
        using _journal = GcJournal.begin(name);
        await plugin.gc(request);
      }
      removeStaleLocks();
    },
  };
}
