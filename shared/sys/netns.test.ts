import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { coverWithTmpfs, freshNetns, inUserNamespace, ipJson, run } from '../../conformance/testing/netns.ts';
import { AF, MSG, SO, SOCK, SOL } from './constants.ts';
import type { OwnedFd } from './fd.ts';
import { writeFile } from './file.ts';
import {
  createNetns,
  currentNetns,
  deleteNetns,
  inNetns,
  isNetns,
  NotNetnsError,
  openNetns,
} from './netns.ts';
import { hostname, monotonicMs, processExists, sleepMs, uname } from './process.ts';
import {
  bindNetlink,
  getIntOption,
  netlinkPortId,
  openSocket,
  receive,
  setIntOption,
  trySetIntOption,
  waitReadable,
} from './socket.ts';
import { exists, fstat } from './stat.ts';
import { ensureSysctl, readSysctl, writeSysctl } from './sysctl.ts';

const available = freshNetns();

function isSame(a: OwnedFd, b: OwnedFd): boolean {
  return fstat(a.fd).ino === fstat(b.fd).ino;
}

describe.skipIf(!available)('network namespaces', () => {
  test('a pinned namespace can be opened, entered and removed, and the thread comes back', () => {
    coverWithTmpfs('/run');
    const path = '/run/netns/one';
    createNetns(path);
    expect(isNetns(path)).toBe(true);
    expect(() => createNetns(path)).toThrow('EEXIST');
    using home = currentNetns();
    {
      using ns = openNetns(path);
      expect(isSame(ns, home)).toBe(false);
      inNetns(ns, () => {
        using inside = currentNetns();
        expect(isSame(ns, inside)).toBe(true);
        writeSysctl('net/ipv4/ip_forward', '1');
      });
      expect(() =>
        inNetns(ns, () => {
          throw new Error('from inside');
        }),
      ).toThrow('from inside');
      using after = currentNetns();
      expect(isSame(after, home)).toBe(true);
      expect(inNetns(ns, () => readSysctl('net/ipv4/ip_forward'))).toBe('1');
    }
    expect(ipJson('-n', 'one', 'link')).toHaveLength(1);
    deleteNetns(path);
    deleteNetns(path);
    expect(exists(path)).toBe(false);
    expect(() => openNetns(path)).toThrow('ENOENT');
  });

  test('a file that is no namespace is told apart', () => {
    writeFile('/run/plain', '');
    expect(() => openNetns('/run/plain')).toThrow(NotNetnsError);
    expect(() => openNetns('/proc/self/ns/mnt')).toThrow(NotNetnsError);
    expect(isNetns('/run/plain')).toBe(false);
  });

  test('sysctls', () => {
    writeSysctl('net/ipv4/ip_forward', '0');
    expect(ensureSysctl('net/ipv4/ip_forward', '1')).toBe(true);
    expect(ensureSysctl('net/ipv4/ip_forward', '1')).toBe(false);
    expect(readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8')).toBe('1\n');
    expect(readSysctl('net/ipv4/nonexistent')).toBeUndefined();
    expect(() => writeSysctl('net/ipv4/nonexistent', '1')).toThrow('ENOENT');
  });

  test('netlink sockets bind to a port and take options', () => {
    using socket = openSocket(AF.NETLINK, SOCK.RAW, 0);
    bindNetlink(socket.fd);
    expect(netlinkPortId(socket.fd)).toBeGreaterThan(0);
    // Beyond the machine's limit for the real root alone.
    const [option, size] = inUserNamespace() ? [SO.RCVBUF, 1 << 16] : [SO.RCVBUFFORCE, 1 << 20];
    setIntOption(socket.fd, SOL.SOCKET, option, size);
    expect(getIntOption(socket.fd, SOL.SOCKET, SO.RCVBUF)).toBe(2 * size);
    expect(trySetIntOption(socket.fd, SOL.NETLINK, 12345, 1)).toBe(false);
    expect(waitReadable(socket.fd, 0)).toBe(false);
    expect(() => receive(socket.fd, new Uint8Array(16), MSG.DONTWAIT)).toThrow('EAGAIN');
  });
});

describe('the process', () => {
  test('names and times', () => {
    expect(hostname()).toBe(run('hostname').trim());
    expect(uname().release).toBe(run('uname', '-r').trim());
    expect(processExists(process.pid)).toBe(true);
    expect(processExists(0x3ffffff)).toBe(false);
    const before = monotonicMs();
    sleepMs(3);
    expect(monotonicMs() - before).toBeGreaterThanOrEqual(3);
  });
});
