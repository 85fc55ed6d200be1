/** IPVS, sets and the device as the kernel has them, and what it refuses. */

import type { Address, Endpoint } from '../../model/endpoint.ts';
import type { HeldEndpoint, HeldServer } from '../compare.ts';
import type { IpvsKernel } from '../kernel.ts';
import { addressOfServer, type EntryKey, type ServerKey } from '../keys.ts';
import { SET_KEYS, type SetKey } from '../names.ts';
import type { Operation } from '../operations.ts';

interface FakeServer extends HeldServer {
  readonly endpoints: Map<Endpoint, { weight: number; connections: number }>;
}

export class FakeKernel implements IpvsKernel {
  readonly held: Map<ServerKey, FakeServer> = new Map();
  readonly sets: Map<SetKey, Set<EntryKey>> = new Map();
  readonly bound: Set<Address> = new Set();
  readonly done: Operation[] = [];
  node: Address[];
  hasDevice = false;
  /** What is refused, whatever it is. */
  refuses: (operation: Operation) => boolean = () => false;

  constructor(node: Address[] = []) {
    this.node = node;
  }

  prepare(): void {
    this.hasDevice = true;
    for (const set of SET_KEYS) if (!this.sets.has(set)) this.sets.set(set, new Set());
  }

  nodeAddresses(): Address[] {
    return this.node;
  }

  servers(): ReadonlyMap<ServerKey, HeldServer> {
    return this.held;
  }

  endpoints(of: ServerKey): readonly HeldEndpoint[] {
    return [...(this.held.get(of)?.endpoints ?? [])].map(([endpoint, one]) => ({ endpoint, ...one }));
  }

  entries(set: SetKey): ReadonlySet<EntryKey> {
    return this.sets.get(set) ?? new Set();
  }

  addresses(): ReadonlySet<Address> {
    return this.bound;
  }

  run(operations: readonly Operation[], scheduler: string): (Error | undefined)[] {
    return operations.map((operation) => {
      if (this.refuses(operation)) return new Error(`refused: ${operation.on}`);
      this.done.push(operation);
      const refusal = this.#run(operation, scheduler);
      return refusal === undefined ? undefined : new Error(refusal);
    });
  }

  remove(): string[] {
    this.held.clear();
    this.sets.clear();
    this.bound.clear();
    this.hasDevice = false;
    return [];
  }

  removeUnused(): number {
    for (const [key, { endpoints }] of this.held)
      if (endpoints.values().every(({ connections }) => connections === 0)) this.held.delete(key);
    const inUse = new Set(this.held.keys().map(addressOfServer));
    for (const address of this.bound) if (!inUse.has(address)) this.bound.delete(address);
    return this.held.size + this.bound.size;
  }

  /** Everything, to be compared. */
  get content(): unknown {
    return {
      servers: [...this.held]
        .map(([key, { endpoints, ...server }]) => ({
          key,
          ...server,
          endpoints: [...endpoints].map(([endpoint, { weight }]) => `${endpoint} ${weight}`).sort(),
        }))
        .sort((a, b) => (a.key < b.key ? -1 : 1)),
      sets: SET_KEYS.map((set) => [set, [...this.entries(set)].sort()]),
      bound: [...this.bound].sort(),
    };
  }

  #run(operation: Operation, scheduler: string): string | undefined {
    switch (operation.on) {
      case 'entry': {
        const entries = this.sets.get(operation.set);
        if (!entries) return 'no such set';
        if (operation.verb === 'add') entries.add(operation.key);
        else entries.delete(operation.key);
        return undefined;
      }
      case 'address':
        if (!this.hasDevice) return 'no device';
        if (operation.verb === 'add') this.bound.add(operation.address);
        else this.bound.delete(operation.address);
        return undefined;
      case 'server': {
        const { key, verb } = operation;
        const known = this.held.get(key);
        if (verb === 'delete') {
          this.held.delete(key);
          return undefined;
        }
        if (verb === 'add' ? known : !known)
          return `cannot ${verb} a server that is ${known ? '' : 'not '}there`;
        const { flags, timeout } = operation.server;
        this.held.set(key, { scheduler, flags, timeout, endpoints: known?.endpoints ?? new Map() });
        return undefined;
      }
      case 'endpoint': {
        const { of, endpoint, verb, weight } = operation;
        const endpoints = this.held.get(of)?.endpoints;
        const known = endpoints?.get(endpoint);
        if (verb === 'delete') endpoints?.delete(endpoint);
        else if (!endpoints) return 'no such server';
        else if (verb === 'add' ? known : !known)
          return `cannot ${verb} an endpoint that is ${known ? '' : 'not '}there`;
        else endpoints.set(endpoint, { weight, connections: known?.connections ?? 0 });
        return undefined;
      }
      default:
        return operation satisfies never;
    }
  }
}
