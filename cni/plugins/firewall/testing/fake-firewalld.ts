/**
 * A firewalld that knows sources of zones, as a process of its own, since our client waits for answers without an event
 * loop: `bun fake-firewalld.ts bus PATH LOG` is bus and firewalld in one, `… service PATH LOG` takes firewalld's name on a bus
 * that runs. Prints "ready" once it serves, and writes each call to a file before it answers.
 */

import { appendFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { encodeDbusCall } from '../dbus-message.ts';

interface Call {
  readonly type: number;
  readonly serial: number;
  readonly sender: string;
  readonly member: string;
  readonly args: readonly string[];
}

const [mode, path = '', log = ''] = process.argv.slice(2);

const zones = new Map<string, Set<string>>();

/** What firewalld answers: a string, a boolean, or an error's text. */
function answer({ member, args }: Call): string | boolean | Error {
  appendFileSync(log, `${member} ${args.join(' ')}\n`);
  const [zone = '', source = ''] = args;
  const sources = zones.get(zone) ?? new Set<string>();
  zones.set(zone, sources);
  switch (member) {
    case 'Hello':
      return ':1.7';
    case 'GetNameOwner':
      return ':1.1';
    case 'addSource':
      if (zone === 'nowhere') return new Error(`INVALID_ZONE: ${zone}`);
      if (sources.has(source)) return new Error(`ZONE_ALREADY_SET: '${source}' already bound to '${zone}'`);
      sources.add(source);
      return zone;
    case 'removeSource':
      return sources.delete(source) ? zone : new Error(`UNKNOWN_SOURCE: '${source}' is not in any zone`);
    case 'querySource':
      return sources.has(source);
    default:
      return new Error(`UNKNOWN_METHOD: ${member}`);
  }
}

const align = (at: number, to: number): number => (at + to - 1) & -to;

function string(text: string): Buffer {
  const bytes = Buffer.from(`${text}\0`);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length - 1);
  return Buffer.concat([length, bytes]);
}

function padded(bytes: Buffer, to: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(align(bytes.length, to) - bytes.length)]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function signature(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(`${text}\0`)]);
}

function field(code: number, kind: string, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([code]), signature(kind), value]);
}

function reply(call: Call, value: string | boolean | Error): Buffer {
  const failed = value instanceof Error;
  const body = typeof value === 'boolean' ? u32(value ? 1 : 0) : string(failed ? value.message : value);
  const kind = typeof value === 'boolean' ? 'b' : 's';
  const fields = [
    field(5, 'u', u32(call.serial)),
    field(8, 'g', signature(kind)),
    ...(call.sender ? [field(6, 's', string(call.sender))] : []),
    ...(failed ? [field(4, 's', string('org.fedoraproject.FirewallD1.Exception'))] : []),
  ];
  let all = Buffer.alloc(0);
  for (const one of fields) all = Buffer.concat([padded(all, 8), one]);
  const head = Buffer.concat([
    Buffer.from([0x6c, failed ? 3 : 2, 1, 1]),
    u32(body.length),
    u32(call.serial + 1000),
    u32(all.length),
  ]);
  return Buffer.concat([padded(Buffer.concat([head, all]), 8), body]);
}

/** Reads one message, if it is there whole. */
function read(bytes: Buffer): { call: Call; length: number } | undefined {
  if (bytes.length < 16) return undefined;
  const end = 16 + bytes.readUInt32LE(12);
  const length = align(end, 8) + bytes.readUInt32LE(4);
  if (bytes.length < length) return undefined;
  const text = (at: number): string => bytes.toString('utf8', at + 4, at + 4 + bytes.readUInt32LE(at));
  let [sender, member, types] = ['', '', ''];
  for (let at = 16; at < end; ) {
    at = align(at, 8);
    const code = bytes[at] ?? 0;
    const kind = String.fromCharCode(bytes[at + 2] ?? 0);
    at += 4;
    if (kind === 'u') at += 4;
    else if (kind === 'g') {
      if (code === 8) types = bytes.toString('utf8', at + 1, at + 1 + (bytes[at] ?? 0));
      at += (bytes[at] ?? 0) + 2;
    } else {
      if (code === 3) member = text(at);
      if (code === 7) sender = text(at);
      at += 4 + bytes.readUInt32LE(at) + 1;
    }
  }
  const args: string[] = [];
  let at = align(end, 8);
  for (const type of types) {
    if (type !== 's') break;
    at = align(at, 4);
    args.push(text(at));
    at += 4 + bytes.readUInt32LE(at) + 1;
  }
  return { call: { type: bytes[1] ?? 0, serial: bytes.readUInt32LE(8), sender, member, args }, length };
}

function serve(socket: Socket, handle: (call: Call) => void, lines: (line: string) => void): void {
  let bytes = Buffer.alloc(0);
  let began = false;
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    while (!began && bytes.includes('\r\n')) {
      const line = bytes.toString('utf8', 0, bytes.indexOf('\r\n')).replace('\0', '');
      bytes = bytes.subarray(bytes.indexOf('\r\n') + 2);
      lines(line);
      if (line === 'BEGIN' || line.startsWith('OK ')) began = true;
    }
    for (let message = began ? read(bytes) : undefined; message; message = read(bytes)) {
      bytes = bytes.subarray(message.length);
      handle(message.call);
    }
  });
  socket.on('error', () => {});
}

function listen(path: string): void {
  createServer((socket) => {
    const lines = (line: string): void => {
      if (line.startsWith('AUTH EXTERNAL ')) socket.write('OK 0123456789abcdef0123456789abcdef\r\n');
      else if (line !== 'BEGIN') socket.write('ERROR\r\n');
    };
    // In two parts, with a signal in between, as a bus may well do.
    const handle = (call: Call): void => {
      const bytes = reply(call, answer(call));
      const signal = reply({ ...call, serial: 0xffff }, 'NameAcquired');
      signal[1] = 4;
      socket.write(Buffer.concat([signal, bytes.subarray(0, 10)]));
      setImmediate(() => socket.write(bytes.subarray(10)));
    };
    serve(socket, handle, lines);
  }).listen(path, () => process.stdout.write('ready\n'));
}

function takeName(path: string): void {
  const bus = {
    destination: 'org.freedesktop.DBus',
    path: '/org/freedesktop/DBus',
    interface: 'org.freedesktop.DBus',
  };
  const socket = createConnection(path, () => {
    socket.write(`\0AUTH EXTERNAL ${Buffer.from(String(process.getuid?.())).toString('hex')}\r\n`);
  });
  const lines = (): void => {
    socket.write('BEGIN\r\n');
    socket.write(encodeDbusCall({ ...bus, serial: 1, member: 'Hello', args: [] }));
    // RequestName's second argument is a number, its flags: by hand.
    const call = encodeDbusCall({ ...bus, serial: 2, member: 'RequestName', args: [name, '???'] });
    socket.write(Buffer.from(withNumber(Buffer.from(call))));
  };
  const handle = (call: Call): void => {
    if (call.type === 1) socket.write(reply(call, answer(call)));
    else if (call.type === 2 && ++answered === 2) process.stdout.write('ready\n');
  };
  let answered = 0;
  serve(socket, handle, lines);
}

const name = 'org.fedoraproject.FirewallD1';

/** Turns the last argument, a string of three characters, into the number 0. */
function withNumber(call: Buffer): Buffer {
  const at = call.lastIndexOf(Buffer.from([2, ...Buffer.from('ss')]));
  call[at + 2] = 'u'.charCodeAt(0);
  const shorter = call.subarray(0, call.length - 4);
  shorter.writeUInt32LE(call.readUInt32LE(4) - 4, 4);
  shorter.writeUInt32LE(0, shorter.length - 4);
  return shorter;
}

if (mode === 'bus') listen(path);
else takeName(path);
