import type { Plugin } from '../../protocol/plugin.ts';
import type { Delegate } from './delegate.ts';
import { Keep } from './keep.ts';

/** A plugin type made of its delegate form: GC's halves one after the other. */
export function asPlugin(type: string, about: string, delegate: Delegate): Plugin {
  return {
    type,
    about,
    add: (request) => delegate.add(request),
    del: (request) => delegate.del(request),
    check: (request) => delegate.check(request),
    status: (request) => delegate.status(request),
    async gc(request) {
      const keep = new Keep(request.conf.name, request.valid);
      const remove = await delegate.prepareGc(request);
      keep.addRunning();
      await remove(keep);
    },
  };
}
