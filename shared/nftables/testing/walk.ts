/**
 * What becomes of a connection's first packet on its way through a table: a small kernel in miniature, for tests of what
 * rules mean. It knows the expressions that this program writes; an unknown one is an error.
 */

import { padded } from '../codec/data-types.ts';
import { compareKeys } from '../codec/interval.ts';
import type { Hook } from '../model/chain.ts';
import type { Element } from '../model/element.ts';
import type { Expression } from '../model/expression.ts';
import type { NftMap, NftSet } from '../model/set.ts';
import type { TableRef } from '../model/table.ts';
import type { Verdict } from '../model/verdict.ts';
import type { Nftables } from '../nftables.ts';

/** Changes on its way. */
export interface Packet {
  saddr: Uint8Array;
  daddr: Uint8Array;
  /** IPPROTO_* */
  readonly protocol: number;
  sport: number;
  dport: number;
  mark: number;
  priority: number;
  readonly iifname: string;
  /** It was translated (`ct status dnat`). */
  isTranslated: boolean;
  isMasqueraded: boolean;
}

export interface World {
  /** The table as a look-up finds it now: asked at every rule and every look-up. */
  readonly table: () => Nftables;
  readonly ref: TableRef;
  /** Whether an address is one of the node's. */
  readonly isLocal: (address: Uint8Array) => boolean;
  /** 0 ≤ n < modulus */
  readonly random: (modulus: number) => number;
}

export type Fate = 'accept' | 'drop' | 'reject';

/** Sends the packet through the base chains of a hook by their priority. */
export function throughHook(world: World, hook: Hook, packet: Packet): Fate {
  const bases = world
    .table()
    .listChains(world.ref)
    .filter(({ base }) => base?.hook === hook)
    .sort((a, b) => (a.base?.priority ?? 0) - (b.base?.priority ?? 0));
  for (const { name, base } of bases) {
    const fate = new Walk(world, packet).chain(name);
    if (fate === 'drop' || fate === 'reject') return fate;
    if (fate === undefined && base?.policy === 'drop') return 'drop';
  }
  return 'accept';
}

/** How a rule ended: undefined where the next one follows. */
type End = Fate | 'return' | { readonly jump: string } | { readonly go: string } | undefined;

class Walk {
  readonly #world: World;
  readonly #packet: Packet;
  readonly #registers = new Uint8Array(64);
  /** The table as it was when the chain was entered, whose rules are gone through to their end. */
  #entered: Nftables | undefined;

  constructor(world: World, packet: Packet) {
    this.#world = world;
    this.#packet = packet;
  }

  /** @returns undefined where the chain ends without a decision */
  chain(name: string): Fate | undefined {
    const entered = this.#entered;
    this.#entered = this.#world.table();
    const fate = this.#rules(name);
    this.#entered = entered;
    return fate;
  }

  #rules(name: string): Fate | undefined {
    for (const { expressions } of (this.#entered as Nftables).listRules(this.#world.ref, name)) {
      const end = this.#rule(expressions);
      if (end === undefined) continue;
      if (end === 'return') return undefined;
      if (typeof end === 'string') return end;
      if ('go' in end) return this.chain(end.go);
      const fate = this.chain(end.jump);
      if (fate !== undefined) return fate;
    }
    return undefined;
  }

  #rule(expressions: readonly Expression[]): End {
    for (const expression of expressions) {
      const end = this.#run(expression);
      if (end === 'stop') return undefined;
      if (end !== undefined) return end;
    }
    return undefined;
  }

  #run(e: Expression): End | 'stop' {
    switch (e.kind) {
      case 'payload':
        return this.#load(e.dest, this.#payload(e.base, e.offset, e.length));
      case 'meta':
        return this.#load(e.dest, this.#meta(e.key));
      case 'meta-set': {
        const value = number32(this.#read(e.source, 4));
        if (e.key === 'mark') this.#packet.mark = value;
        else if (e.key === 'priority') this.#packet.priority = value;
        else throw new Error(`meta ${e.key} set`);
        return undefined;
      }
      case 'ct':
        // NF_CT_STATE_BIT(IP_CT_NEW), IPS_DST_NAT.
        if (e.key === 'state') return this.#load(e.dest, bytes32(8));
        if (e.key === 'status') return this.#load(e.dest, bytes32(this.#packet.isTranslated ? 32 : 0));
        throw new Error(`ct ${e.key}`);
      case 'fib': {
        const address = e.inputs[0] === 'saddr' ? this.#packet.saddr : this.#packet.daddr;
        return this.#load(e.dest, bytes32(this.#world.isLocal(address) ? 2 : 1));
      }
      case 'numgen':
        return this.#load(e.dest, bytes32(e.offset + this.#world.random(e.modulus)));
      case 'cmp': {
        const order = compareKeys(this.#read(e.source, e.value.length), e.value);
        return (e.op === '==') === (order === 0) ? undefined : 'stop';
      }
      case 'bitwise': {
        const value = this.#read(e.source, e.mask.length);
        return this.#load(
          e.dest,
          value.map((byte, at) => (byte & (e.mask[at] ?? 0)) ^ (e.xor[at] ?? 0)),
        );
      }
      case 'immediate':
        return this.#load(e.dest, e.value);
      case 'lookup':
        return this.#lookUp(e);
      case 'dynset':
        return undefined;
      case 'nat': {
        const length = e.family === 'ip' ? 4 : 16;
        this.#packet.daddr = this.#read(e.addressMin ?? 0, length);
        if (e.portMin !== undefined) {
          const [high = 0, low = 0] = this.#read(e.portMin, 2);
          this.#packet.dport = (high << 8) | low;
        }
        this.#packet.isTranslated = true;
        return 'accept';
      }
      case 'masquerade':
        this.#packet.isMasqueraded = true;
        return 'accept';
      case 'reject':
        return 'reject';
      case 'verdict':
        return endOf(e.verdict);
      case 'counter':
        return undefined;
      default:
        throw new Error(`not known here: ${e.kind}`);
    }
  }

  #lookUp(e: Extract<Expression, { kind: 'lookup' }>): End | 'stop' {
    const table = this.#world.table();
    // A rule's own map is emptied with it, at once.
    if (e.set.startsWith('__') && table !== this.#entered) return 'stop';
    const set = table.listSets(this.#world.ref).find(({ name }) => name === e.set);
    if (set === undefined) throw new Error(`no set ${e.set}`);
    const size = set.key.reduce((sum, type) => sum + padded(type.size), 0);
    const found = findIn(
      table,
      set,
      this.#read(e.source, set.key.length === 1 ? (set.key[0]?.size ?? 0) : size),
    );
    if (e.dest === undefined) return (found !== undefined) === !e.inverted ? undefined : 'stop';
    if (found?.data === undefined) return 'stop';
    if (found.data instanceof Uint8Array) return this.#load(e.dest as number, found.data);
    return endOf(found.data);
  }

  #payload(base: string, offset: number, length: number): Uint8Array {
    const { saddr, daddr, sport, dport } = this.#packet;
    const [source, target] = saddr.length === 4 ? [12, 16] : [8, 24];
    if (base === 'network' && offset === source) return saddr.slice(0, length);
    if (base === 'network' && offset === target) return daddr.slice(0, length);
    if (base === 'transport' && offset === 0) return Uint8Array.of(sport >> 8, sport);
    if (base === 'transport' && offset === 2) return Uint8Array.of(dport >> 8, dport);
    throw new Error(`payload ${base} ${offset}`);
  }

  #meta(key: string): Uint8Array {
    const { protocol, mark, priority, iifname } = this.#packet;
    if (key === 'l4proto') return Uint8Array.of(protocol);
    if (key === 'mark') return bytes32(mark);
    if (key === 'priority') return bytes32(priority);
    if (key !== 'iifname') throw new Error(`meta ${key}`);
    const name = new Uint8Array(16);
    name.set(new TextEncoder().encode(iifname));
    return name;
  }

  /** The kernel clears the rest of a value's last register. */
  #load(register: number, value: Uint8Array): undefined {
    this.#registers.fill(0, register * 4, register * 4 + padded(value.length));
    this.#registers.set(value, register * 4);
  }

  #read(register: number, length: number): Uint8Array {
    return this.#registers.slice(register * 4, register * 4 + length);
  }
}

function findIn(table: Nftables, set: NftSet | NftMap, key: Uint8Array): Element | undefined {
  if (!set.interval) return table.findElement(set, key);
  return table
    .listElements(set)
    .find((range) => compareKeys(range.key, key) <= 0 && compareKeys(key, range.keyEnd ?? range.key) <= 0);
}

function endOf(verdict: Verdict): End {
  switch (verdict.code) {
    case 'accept':
    case 'drop':
    case 'return':
      return verdict.code;
    case 'jump':
      return { jump: verdict.chain };
    case 'goto':
      return { go: verdict.chain };
    default:
      return undefined;
  }
}

function bytes32(value: number): Uint8Array {
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
}

function number32([a = 0, b = 0, c = 0, d = 0]: Uint8Array): number {
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}
