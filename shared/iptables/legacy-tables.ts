/**
 * Legacy iptables' tables, which send no events: a fingerprint of their rules through the socket options that the
 * iptables program uses itself, a few microseconds instead of a process.
 *
 * Layouts: include/uapi/linux/netfilter_ipv4/ip_tables.h and netfilter_ipv6/ip6_tables.h.
 */

import { Pace } from '../daemon/pace.ts';
import { AF, SOCK, SOL } from '../sys/constants.ts';
import { isErrno } from '../sys/errno.ts';
import type { OwnedFd } from '../sys/fd.ts';
import { getOption, openSocket } from '../sys/socket.ts';
import { TableNames } from './table-names.ts';

/** IPT_SO_GET_INFO and IPT_SO_GET_ENTRIES; IPv6's have the same numbers. */
const GET_INFO = 64;
const GET_ENTRIES = 65;
/** sizeof(struct ipt_getinfo): name 32, valid_hooks, 5 + 5 offsets, num_entries, size. */
const INFO_SIZE = 84;
const INFO_ENTRY_BYTES = 80;
/** sizeof(struct ipt_get_entries): name 32, size 4, filled up to the entries' alignment of 8. */
const ENTRIES_HEADER = 40;

/** Where a family's entries have what is needed, in bytes from the entry's start. */
const LAYOUT = {
  4: { domain: AF.INET, level: SOL.IP, target: 88, next: 90, counters: 96 },
  6: { domain: AF.INET6, level: SOL.IPV6, target: 140, next: 142, counters: 152 },
} as const;
/** struct xt_counters: packets and bytes, 64 bits each. */
const COUNTERS_SIZE = 16;
/** struct xt_entry_target: size 2, name 29, revision 1; then struct xt_error_target has a name of its own. */
const TARGET_NAME = 2;
const ERROR_NAME = 32;
/** XT_ERROR_TARGET: an entry that no packet reaches; one stands before each chain with its name, and one at the end. */
const ERROR_TARGET = 'ERROR';

/** What a table was like when it was last looked at: its size and where its chains begin, and all of its rules. */
interface Glance {
  readonly pace: Pace;
  readonly info: string;
  readonly rules: string;
}

/** Reads fingerprints; keeps one socket per family, and the list of its tables. */
export class LegacyTables implements Disposable {
  readonly #sockets = new Map<4 | 6, OwnedFd>();
  readonly #glances = new Map<string, Glance>();
  readonly #names = { 4: new TableNames(4), 6: new TableNames(6) } as const;

  /**
   * A text that changes with the rules of a table, counters aside; `undefined` where there is no such table.
   * Asking does not make one: the kernel would load it if it were asked blindly.
   */
  fingerprint(family: 4 | 6, table: string): string | undefined {
    if (!this.has(family, table)) return undefined;
    const entries = this.#entries(family, table);
    return entries && hashEntries(entries, family);
  }

  /**
   * Whether there is such a table. Without the right to read it there is nothing that could be repaired either.
   */
  has(family: 4 | 6, table: string): boolean {
    return this.#names[family].has(table);
  }

  /** Names of the chains that somebody made in a table; `undefined` where there is no such table. */
  chains(family: 4 | 6, table: string): ReadonlySet<string> | undefined {
    if (!this.has(family, table)) return undefined;
    const entries = this.#entries(family, table);
    return entries && chainNames(entries, family);
  }

  /**
   * As `fingerprint`, but for a table of so many rules that it takes long to look at them, which the kernel copies and
   * counts for whoever asks: of that only its size, its number of rules and where its chains begin are looked at every
   * time. The rules are when these differ, and as often as its pace lets them.
   */
  glance(family: 4 | 6, table: string): string | undefined {
    return this.#look(family, table, false);
  }

  /** The same, of the rules as they are now: by whoever has just changed them. */
  lookClosely(family: 4 | 6, table: string): string | undefined {
    return this.#look(family, table, true);
  }

  #look(family: 4 | 6, table: string, closely: boolean): string | undefined {
    if (!this.has(family, table)) return undefined;
    const key = `${family} ${table}`;
    try {
      const name = new TextEncoder().encode(table);
      const info = getOption(
        this.#socket(family).fd,
        LAYOUT[family].level,
        GET_INFO,
        INFO_SIZE,
        name,
      ).toHex();
      const last = this.#glances.get(key);
      if (!closely && last && last.info === info && !last.pace.due) return last.rules;
      const pace = last?.pace ?? new Pace(() => performance.now());
      const rules = pace.look(() => this.fingerprint(family, table));
      if (rules !== undefined) this.#glances.set(key, { pace, info, rules });
      return rules;
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOPROTOOPT', 'EPERM')) return undefined;
      throw error;
    }
  }

  #entries(family: 4 | 6, table: string): Uint8Array | undefined {
    const { level } = LAYOUT[family];
    const socket = this.#socket(family);
    const name = new TextEncoder().encode(table);
    // The table may grow between the two calls; then the kernel says EAGAIN.
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        const info = getOption(socket.fd, level, GET_INFO, INFO_SIZE, name);
        const size = new DataView(info.buffer, info.byteOffset).getUint32(INFO_ENTRY_BYTES, true);
        const request = new Uint8Array(ENTRIES_HEADER);
        request.set(name);
        new DataView(request.buffer).setUint32(32, size, true);
        return getOption(socket.fd, level, GET_ENTRIES, ENTRIES_HEADER + size, request).subarray(
          ENTRIES_HEADER,
        );
      } catch (error) {
        if (isErrno(error, 'EAGAIN')) continue;
        if (isErrno(error, 'ENOENT', 'ENOPROTOOPT', 'EPERM')) return undefined;
        throw error;
      }
    }
    return undefined;
  }

  #socket(family: 4 | 6): OwnedFd {
    const open = this.#sockets.get(family);
    if (open) return open;
    // Any socket of the family will do; a datagram one needs no further rights.
    const socket = openSocket(LAYOUT[family].domain, SOCK.DGRAM, 0);
    this.#sockets.set(family, socket);
    return socket;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
    for (const family of [4, 6] as const) this.#names[family][Symbol.dispose]();
  }
}

/** The names in front of chains; the last entry is one of the kind as well, and no chain. Pure. */
export function chainNames(entries: Uint8Array, family: 4 | 6): Set<string> {
  const { target, next } = LAYOUT[family];
  const view = new DataView(entries.buffer, entries.byteOffset, entries.length);
  const names = new Set<string>();
  const textAt = (start: number): string => {
    const end = entries.indexOf(0, start);
    return end < 0 ? '' : new TextDecoder().decode(entries.subarray(start, end));
  };
  for (let at = 0; at + next + 2 <= entries.length; ) {
    const length = view.getUint16(at + next, true);
    if (length === 0) break;
    const start = at + view.getUint16(at + target, true);
    at += length;
    // Of most entries one byte tells.
    if (at >= entries.length || entries[start + TARGET_NAME] !== ERROR_TARGET.charCodeAt(0)) continue;
    if (textAt(start + TARGET_NAME) === ERROR_TARGET) names.add(textAt(start + ERROR_NAME));
  }
  return names;
}

/** A hash of the table's entries with their counters taken as zero. Pure; changes `entries`. */
export function hashEntries(entries: Uint8Array, family: 4 | 6): string {
  const { next, counters } = LAYOUT[family];
  const view = new DataView(entries.buffer, entries.byteOffset, entries.length);
  for (let at = 0; at + counters + COUNTERS_SIZE <= entries.length; ) {
    entries.fill(0, at + counters, at + counters + COUNTERS_SIZE);
    const length = view.getUint16(at + next, true);
    if (length === 0) break;
    at += length;
  }
  return `${entries.length}:${Bun.hash(entries)}`;
}
