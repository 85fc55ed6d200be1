/** Looks into an untyped object and says what is wrong with a value, by its path and what to write. Pure. */

import { parseCidr } from '../../ip/cidr.ts';
import { parseIp } from '../../ip/ip.ts';
import { InvalidObjectError } from '../errors.ts';

export type Mapping = Readonly<Record<string, unknown>>;

/** RFC 1123's label, which names of ports and namespaces are. */
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/**
 * One value and where it is. `null` counts as absent, as in Kubernetes' own decoding. Everything that takes a value throws
 * InvalidObjectError for one of another type.
 */
export class Checker {
  readonly #what: string;
  readonly #path: string;
  readonly value: unknown;

  /** @param what the object, for people: `Service web` */
  constructor(what: string, path: string, value: unknown) {
    this.#what = what;
    this.#path = path;
    this.value = value === null ? undefined : value;
  }

  get isAbsent(): boolean {
    return this.value === undefined;
  }

  /** @throws InvalidObjectError always */
  refuse(advice: string): never {
    const value = this.isAbsent ? `no ${this.#path}` : `${this.#path} = ${JSON.stringify(this.value)}`;
    throw new InvalidObjectError(`${this.#what} has ${value}; ${advice}`);
  }

  /** A key of a mapping. */
  at(key: string): Checker {
    const mapping = this.isAbsent ? {} : this.mapping();
    return new Checker(this.#what, this.#path === '' ? key : `${this.#path}.${key}`, mapping[key]);
  }

  mapping(): Mapping {
    if (this.isAbsent) return {};
    if (typeof this.value !== 'object' || Array.isArray(this.value)) this.refuse('write keys and values');
    return this.value as Mapping;
  }

  /** Each item of a list; none where it is absent. */
  items(): Checker[] {
    if (this.isAbsent) return [];
    if (!Array.isArray(this.value)) this.refuse('write a list');
    return (this.value as unknown[]).map(
      (item, index) => new Checker(this.#what, `${this.#path}[${index}]`, item),
    );
  }

  text(): string | undefined {
    if (this.value !== undefined && typeof this.value !== 'string') this.refuse('put it in quotes');
    return this.value as string | undefined;
  }

  oneOf(...words: readonly string[]): string | undefined {
    const text = this.text();
    if (text !== undefined && text !== '' && !words.includes(text))
      this.refuse(`write ${words.slice(0, -1).join(', ')} or ${words.at(-1)}`);
    return text;
  }

  flag(): boolean | undefined {
    if (this.value !== undefined && typeof this.value !== 'boolean') this.refuse('write true or false');
    return this.value as boolean | undefined;
  }

  integer(least: number, most: number): number | undefined {
    const { value } = this;
    if (value === undefined) return undefined;
    if (!Number.isInteger(value) || (value as number) < least || (value as number) > most)
      this.refuse(`write ${least} to ${most}`);
    return value as number;
  }

  ip(family?: 4 | 6): string | undefined {
    const text = this.text();
    if (text === undefined || text === '') return undefined;
    const ip = parseIp(text);
    if (!ip || (family !== undefined && ip.family !== family))
      this.refuse(`write an IP${family === undefined ? '' : `v${family}`} address`);
    return text;
  }

  cidr(): void {
    const text = this.text();
    if (text === undefined || parseCidr(text.trim()) === undefined)
      this.refuse('write a network such as "192.0.2.0/24"');
  }

  /** A name as ports have them. */
  label(): string | undefined {
    const text = this.text();
    if (text !== undefined && text !== '' && (text.length > 63 || !LABEL.test(text)))
      this.refuse('write lower-case letters, digits and "-"');
    return text;
  }

  strings(): void {
    for (const key of Object.keys(this.mapping()))
      if (this.at(key).text() === undefined) this.at(key).refuse('write text');
  }
}
