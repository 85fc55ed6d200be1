/** Which number stands for which service port's affinity chains in the packet's priority. Pure. */

import type { ServicePortName } from '../model/service-port.ts';
import { MOST } from './values.ts';

export class AffinityNumbers {
  readonly #numbers = new Map<ServicePortName, number>();
  readonly #taken = new Set<number>();
  #last = 0;

  /** The port's number, the one that it had as long as nobody else got it. @returns undefined when all are taken */
  of(port: ServicePortName): number | undefined {
    const known = this.#numbers.get(port);
    if (known !== undefined) return known;
    if (this.#taken.size >= MOST) return undefined;
    do this.#last = (this.#last % MOST) + 1;
    while (this.#taken.has(this.#last));
    this.assign(port, this.#last);
    return this.#last;
  }

  /** Puts down a number that the kernel has for the port. */
  assign(port: ServicePortName, number: number): void {
    this.#numbers.set(port, number);
    this.#taken.add(number);
  }

  /** Frees those of the numbers whose port, if one has it, has no chains any more. */
  release(numbers: readonly number[], isInUse: (port: ServicePortName) => boolean): void {
    if (numbers.length === 0) return;
    const freed = new Set(numbers);
    for (const [port, number] of this.#numbers) {
      if (!freed.has(number)) continue;
      if (isInUse(port)) freed.delete(number);
      else this.#numbers.delete(port);
    }
    for (const number of freed) this.#taken.delete(number);
  }

  /** Keeps a number from being given away that the kernel still has a verdict for. */
  block(number: number): void {
    this.#taken.add(number);
  }
}
