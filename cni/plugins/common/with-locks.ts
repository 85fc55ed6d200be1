import type { Plugin } from '../../protocol/plugin.ts';
import { attachingWithLocks } from './attaching-with-locks.ts';
import { removeStaleLocks, requireLockDirectory } from './attachment-lock.ts';
import { GcJournal, gcHash } from './gc-journal.ts';

/**
 * A plugin as the outermost one of a call: ADD and DEL hold the attachment's lock, GC has a journal.
 *
 * @param heldLock hash of the attachment whose lock a process above us holds already, or of the network whose GC it is
 */
export function withLocks(plugin: Plugin, heldLock?: string): Plugin {
  return {
    ...attachingWithLocks(plugin, heldLock),
    check: (request) => plugin.check(request),
    status(request) {
      requireLockDirectory();
      return plugin.status(request);
    },
    async gc(request) {
      const { name } = request.conf;
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
