import type { Plugin } from '../../protocol/plugin.ts';
import type { Delegate } from './delegate.ts';

/** A plugin type made of its delegate form. */
export function asPlugin(type: string, about: string, delegate: Delegate): Plugin {
  return {
    type,
    about,
    add: (request) => delegate.add(request),
    del: (request) => delegate.del(request),
    check: (request) => delegate.check(request),
    status: (request) => delegate.status(request),
    gc: async (request) => (await import('./collect-garbage.ts')).collectGarbage(delegate, request),
  };
}
