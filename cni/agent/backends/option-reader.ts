/** Reads the keys of net-conf.json's `Backend`. Pure. */

import { type BackendConf, NetConfError } from '../../../shared/config/net-conf.ts';

export class OptionReader {
  /** Go's decoder does not mind letter case, and files rely on it. */
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(conf: BackendConf) {
    this.#values = new Map(Object.entries(conf.options).map(([key, value]) => [key.toLowerCase(), value]));
  }

  /** A whole number; `undefined` for 0, too, which is how Go programs write "not set". @throws NetConfError */
  number(key: string, least: number, most: number): number | undefined {
    const value = this.#values.get(key.toLowerCase());
    if (value === undefined || value === 0) return undefined;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
      throw new NetConfError(
        `Backend.${key} must be a whole number from ${least} to ${most}, not ${JSON.stringify(value)}`,
      );
    }
    return value;
  }

  /** @throws NetConfError */
  flag(key: string): boolean {
    const value = this.#values.get(key.toLowerCase()) ?? false;
    if (typeof value !== 'boolean') throw new NetConfError(`Backend.${key} must be true or false`);
    return value;
  }

  /** A text; `undefined` for an empty one. What it says is not repeated: it may be secret. @throws NetConfError */
  text(key: string): string | undefined {
    const value = this.#values.get(key.toLowerCase()) ?? '';
    if (typeof value !== 'string') throw new NetConfError(`Backend.${key} must be a text in quotes`);
    return value === '' ? undefined : value;
  }
}
