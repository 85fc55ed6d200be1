/** A connection to the system's D-Bus: one call at a time, each answered before the next. */

import { MSG } from '../../../shared/sys/constants.ts';
import { SyscallError } from '../../../shared/sys/errno.ts';
import type { OwnedFd } from '../../../shared/sys/fd.ts';
import { getuid, monotonicMs } from '../../../shared/sys/process.ts';
import { receive, send, waitReadable } from '../../../shared/sys/socket.ts';
import { connectUnix } from '../../../shared/sys/unix-stream.ts';
import type { DbusCall, DbusReply } from './dbus-message.ts';
import { dbusHeaderSize, dbusMessageLength, decodeDbusMessage, encodeDbusCall } from './dbus-message.ts';

/** The peer answered a call with an error. */
export class DbusError extends Error {
  override readonly name = 'DbusError';
  /** `org.freedesktop.DBus.Error.NameHasNoOwner`. */
  readonly errorName: string;

  constructor(errorName: string, message: string) {
    super(message === '' ? errorName : `${message} (${errorName})`);
    this.errorName = errorName;
  }
}

/** Where the bus is unless DBUS_SYSTEM_BUS_ADDRESS says otherwise (D-Bus Specification, "System message bus"). */
const defaultPath = '/var/run/dbus/system_bus_socket';

/**
 * Milliseconds for all that is said on one connection. libdbus would wait for 25 s, but a pod that starts waits here as well,
 * and firewalld answers in some 10 ms, when it is busy with a reload in one or two seconds.
 */
const patienceMs = 5_000;

/** ETIMEDOUT, ECONNRESET of asm-generic/errno.h. */
const ETIMEDOUT = 110;
const ECONNRESET = 104;

/** The bus itself, as the peer of calls. */
export const theBus = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
} as const;

export class SystemBus implements Disposable {
  readonly #socket: OwnedFd;
  readonly #deadline = monotonicMs() + patienceMs;
  #received: Uint8Array = new Uint8Array(0);
  #serial = 0;

  private constructor(socket: OwnedFd) {
    this.#socket = socket;
  }

  /**
   * @param path of the socket; `@…` in the abstract name space
   * @throws SyscallError ENOENT or ECONNREFUSED where there is no bus, ETIMEDOUT where it takes nobody
   */
  static connect(path: string = busPath(process.env['DBUS_SYSTEM_BUS_ADDRESS'])): SystemBus {
    const bus = new SystemBus(connectUnix(path, patienceMs));
    try {
      bus.#authenticate();
      bus.call({ ...theBus, member: 'Hello', args: [] });
      return bus;
    } catch (error) {
      bus[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Calls a method and waits for its answer.
   *
   * @returns the answer's first argument, where it is a string or a boolean
   * @throws DbusError; SyscallError ETIMEDOUT without an answer
   */
  call(call: Omit<DbusCall, 'serial'>): DbusReply['value'] {
    const serial = ++this.#serial;
    this.#sendAll(encodeDbusCall({ ...call, serial }));
    for (;;) {
      const reply = this.#nextMessage();
      // Signals come in between, such as the one that tells our own name.
      if (reply.replyTo !== serial) continue;
      if (reply.type === 'error') throw new DbusError(reply.errorName, String(reply.value ?? ''));
      return reply.value;
    }
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  /** SASL EXTERNAL: the kernel tells the bus who we are, and it compares. */
  #authenticate(): void {
    const user = new TextEncoder().encode(String(getuid())).toHex();
    this.#sendAll(new TextEncoder().encode(`\0AUTH EXTERNAL ${user}\r\n`));
    const line = this.#nextLine();
    if (!line.startsWith('OK ')) throw new DbusError('AUTH', `the bus refuses us: ${line}`);
    this.#sendAll(new TextEncoder().encode('BEGIN\r\n'));
  }

  #nextLine(): string {
    for (;;) {
      const end = this.#received.indexOf(0x0a);
      if (end >= 0) return new TextDecoder().decode(this.#take(end + 1)).trimEnd();
      this.#receiveMore();
    }
  }

  #nextMessage(): DbusReply {
    while (this.#received.length < dbusHeaderSize) this.#receiveMore();
    const length = dbusMessageLength(this.#received);
    while (this.#received.length < length) this.#receiveMore();
    return decodeDbusMessage(this.#take(length));
  }

  #take(count: number): Uint8Array {
    const taken = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return taken;
  }

  #receiveMore(): void {
    if (!waitReadable(this.#socket.fd, Math.max(0, this.#deadline - monotonicMs())))
      throw new SyscallError('recv', ETIMEDOUT, `D-Bus, ${patienceMs / 1000} s long`);
    const buffer = new Uint8Array(4096);
    const count = receive(this.#socket.fd, buffer);
    if (count === 0) throw new SyscallError('recv', ECONNRESET, 'D-Bus');
    const joined = new Uint8Array(this.#received.length + count);
    joined.set(this.#received);
    joined.set(buffer.subarray(0, count), this.#received.length);
    this.#received = joined;
  }

  #sendAll(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0; ) rest = rest.subarray(send(this.#socket.fd, rest, MSG.NOSIGNAL));
  }
}

/** The socket's path in an address such as `unix:path=/run/dbus/system_bus_socket,guid=…;unix:abstract=…`. */
export function busPath(address: string | undefined): string {
  for (const one of (address ?? '').split(';')) {
    if (!one.startsWith('unix:')) continue;
    for (const pair of one.slice('unix:'.length).split(',')) {
      if (pair.startsWith('path=')) return decodeURIComponent(pair.slice('path='.length));
      if (pair.startsWith('abstract=')) return `@${decodeURIComponent(pair.slice('abstract='.length))}`;
    }
  }
  return defaultPath;
}
