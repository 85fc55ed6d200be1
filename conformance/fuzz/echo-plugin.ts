import type { AddRequest, Plugin } from '../../cni/protocol/plugin.ts';
import type { Result } from '../../cni/protocol/result.ts';
import { emptyResult } from '../../cni/protocol/result.ts';

/** A plugin that hands on what it gets, and knows whether it was called. */
export class EchoPlugin implements Plugin {
  readonly type = 'echo';
  readonly about = 'a plugin that does nothing';
  called = false;

  add({ conf }: AddRequest): Result {
    this.called = true;
    return (
      conf.prevResult ?? { ...emptyResult, ips: [{ address: { ip: { family: 4, value: 1n }, prefix: 8 } }] }
    );
  }
  del(): void {
    this.called = true;
  }
  check(): void {
    this.called = true;
  }
  gc(): void {
    this.called = true;
  }
  status(): void {
    this.called = true;
  }
}
