/** The nftables mode at work on a fake, fed with turns of the property tests. */

import type { ModeSettings } from '../../mode.ts';
import type { ServicePort } from '../../model/service-port.ts';
import { type Turn, withoutConflicts } from '../../testing/arbitrary.ts';
import { FakeTime } from '../../testing/fake-time.ts';
import { Ports, settings } from '../../testing/ports.ts';
import { NftablesMode } from '../nftables-mode.ts';
import { Recorder } from './recorder.ts';

export class Run {
  readonly time: FakeTime = new FakeTime();
  readonly nft: Recorder = new Recorder(this.time);
  readonly settings: ModeSettings;
  readonly mode: NftablesMode;
  ports: Ports = new Ports();
  #raw = new Map<string, ServicePort>();

  constructor(of: ModeSettings = settings(4)) {
    this.settings = of;
    this.mode = new NftablesMode(of, this.nft, this.time);
  }

  /** Plays a turn; names are told of ports that differ from before. */
  async play({ set, gone, pause }: Turn): Promise<void> {
    for (const name of gone) this.#raw.delete(name);
    for (const one of set) this.#raw.set(one.name, one);
    const before = this.ports;
    const next = withoutConflicts(this.#raw.values()).map((one) => {
      const old = before.get(one.name);
      return old !== undefined && Bun.deepEquals(old, one) ? old : one;
    });
    this.ports = new Ports(...next);
    const changed = new Set(
      [...before, ...next]
        .map(({ name }) => name)
        .filter((name) => before.get(name) !== this.ports.get(name)),
    );
    this.nft.models = [[...before], next];
    const { refused } = await this.mode.update(this.ports, changed);
    if (refused.length > 0) throw new Error(`refused: ${JSON.stringify(refused)}`);
    this.nft.models = [next];
    await this.time.advance(pause);
  }
}
