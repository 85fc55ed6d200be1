/** Makes one call of a backend and ends: `bun call.ts '{"backend":"loop","method":"create","arguments":[…]}'`. To be killed. */

import { unlinkIfExists } from '../../../../shared/sys/file.ts';
import { exit } from '../../../../shared/sys/process.ts';
import type { Backend, BackendName, MountOptions, Shape } from '../backend.ts';
import { backends } from '../registry.ts';

/** Work is the last argument of those that take it, and is added here. */
export type CallOf =
  | { readonly method: 'create' | 'expand'; readonly arguments: readonly [place: string, shape: Shape] }
  | {
      readonly method: 'copy';
      readonly arguments: readonly [string, Shape, { readonly place: string; readonly shape: Shape }];
    }
  | { readonly method: 'mount'; readonly arguments: readonly [string, Shape, string, MountOptions] }
  | { readonly method: 'remove' | 'detach'; readonly arguments: readonly [place: string] };

export type Call = CallOf & { readonly backend: BackendName };

/** What a trace shows at the beginning of the call. */
export const MARK = '/the-call-begins';

async function make(backend: Backend, call: CallOf): Promise<void> {
  const work = { signal: new AbortController().signal };
  switch (call.method) {
    case 'create':
      return backend.create(...call.arguments, work);
    case 'expand':
      return backend.expand(...call.arguments, work);
    case 'copy':
      return backend.copy(...call.arguments, work);
    case 'mount':
      return backend.mount(...call.arguments, work);
    case 'remove':
      return backend.remove(...call.arguments, work);
    case 'detach':
      return backend.detach(...call.arguments);
  }
}

if (import.meta.main) {
  const call = JSON.parse(process.argv[2] ?? '') as Call;
  const backend = backends().find(({ name }) => name === call.backend);
  if (!backend) throw new Error(`there is no backend ${call.backend}`);
  unlinkIfExists(MARK);
  await make(backend, call);
  exit(0);
}
