import type { AddRequest, Attaching, DelRequest } from '../../protocol/plugin.ts';
import type { AttachmentKey } from './attachment.ts';
import { attachmentHash } from './attachment.ts';
import { lockAttachment, lockAttachmentForDel, noteAdd, removeDeadJournal } from './attachment-lock.ts';

/**
 * ADD and DEL as the outermost ones of a call: they hold the attachment's lock.
 *
 * @param heldLock hash of the attachment whose lock a process above us holds already
 */
export function attachingWithLocks(plugin: Attaching, heldLock?: string): Attaching {
  async function locked<R extends AddRequest | DelRequest, T>(
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
  };
}
