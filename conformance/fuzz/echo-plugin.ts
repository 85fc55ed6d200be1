import type { NetworkEnvironment } from '../../cni/protocol/environment.ts';
import type {
  AddRequest,
  CheckRequest,
  DelRequest,
  GcRequest,
  Plugin,
  StatusRequest,
} from '../../cni/protocol/plugin.ts';
import type { Result } from '../../cni/protocol/result.ts';
import { emptyResult } from '../../cni/protocol/result.ts';
import { must } from './target.ts';

const name = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** A plugin that hands on what it gets, and checks that it gets only what the specification lets through. */
export class EchoPlugin implements Plugin {
  readonly type = 'echo';
  readonly about = 'a plugin that does nothing';
  called = false;

  add(request: AddRequest): Result {
    this.#check(request);
    must(request.env.netns !== '', 'ADD has a namespace');
    const fallback = {
      ...emptyResult,
      ips: [{ address: { ip: { family: 4, value: 1n }, prefix: 8 } as const }],
    };
    return request.conf.prevResult ?? fallback;
  }
  del(request: DelRequest): void {
    this.#check(request);
  }
  check(request: CheckRequest): void {
    this.#check(request);
  }
  gc(request: GcRequest): void {
    this.#check(request);
    must(Array.isArray(request.valid), 'GC has its list');
  }
  status(request: StatusRequest): void {
    this.#check(request);
  }

  #check({
    env,
    conf,
  }: AddRequest | DelRequest | CheckRequest | { env: NetworkEnvironment; conf: AddRequest['conf'] }): void {
    this.called = true;
    must(name.test(conf.name), 'a network name is a file name');
    must(
      env.path.every((directory) => directory !== ''),
      'CNI_PATH holds directories',
    );
    if (!('containerId' in env)) return;
    must(name.test(env.containerId), 'a container id is a file name');
    must(new TextEncoder().encode(env.ifname).length <= 15, 'an interface name fits the kernel');
    must(!/[/:\s\0]|^\.{0,2}$/.test(env.ifname), 'an interface name is one that the kernel takes');
  }
}
