import type { DelRequest } from '../../protocol/plugin.ts';
import { readDirectory } from './config.ts';
import { AddressStore } from './store.ts';

/**
 * DEL: gives back all that the attachment holds, whatever ranges and prevResult say: an ADD that was killed may have
 * taken addresses besides those of the one that succeeded. Nothing held is fine.
 *
 * What is to go is looked for before the directory is locked, so that nobody waits for that. What the attachment holds
 * does not change meanwhile: the runtime makes no other call for it, and ours would wait for the attachment's lock.
 */
export function delHostLocal({ conf, env }: DelRequest): void {
  const store = new AddressStore(readDirectory(conf));
  if (!store.exists) return;
  const { candidates, hasTemporaries, isLong } = store.find(env);
  if (candidates.length > 0 || hasTemporaries || store.isNoted(env)) {
    store.locked(() => {
      for (const ip of store.heldBy(candidates, env)) store.release(ip);
      store.forget(env);
      if (hasTemporaries) store.removeTemporaries();
    });
  }
  if (isLong) store.completeIndex();
}
