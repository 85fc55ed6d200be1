import { describe, expect, test } from 'vitest';
import { pointsOf } from './points.ts';
import { describeHits, type Hit, spreadProblems, thirds } from './spread.ts';
import { beginningOf, endOf, lastCall } from './traced.ts';

const trace = `100 execve("/run/bin/bridge", ["bridge"], 0x7ffd /* 5 vars */) = 0
100 openat(AT_FDCWD, "/run/a", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3
101 openat(AT_FDCWD, "/proc/meminfo", O_RDONLY) = 4
100 flock(3, LOCK_EX|LOCK_NB) = 0
100 sendto(5, [{nlmsg_len=32}], 32, 0, NULL, 0 <unfinished ...>
101 futex(0x7f, FUTEX_WAIT, 0, NULL <unfinished ...>
100 <... sendto resumed>) = 32
100 openat(AT_FDCWD, "/run/b", O_RDONLY) = -1 ENOENT (No such file or directory)
100 exit_group(0) = ?
`;

test('points are the state-changing calls of the main thread, counted by name', () => {
  expect(pointsOf(trace)).toEqual([
    { call: 'openat', n: 1 },
    { call: 'flock', n: 1 },
    { call: 'sendto', n: 1 },
    { call: 'openat', n: 2 },
    { call: 'exit_group', n: 1 },
  ]);
});

test('a call that the kernel begins again is one point', () => {
  const again = '100 write(8, "1", 1)  = ? ERESTARTNOINTR (To be restarted)\n';
  expect(pointsOf(`${again}${again}100 write(8, "1", 1)  = 1\n`)).toEqual([{ call: 'write', n: 1 }]);
});

test('the last completed call is named, resumed ones included', () => {
  expect(lastCall(trace)).toBe('exit_group');
  expect(lastCall(trace.split('\n').slice(0, 7).join('\n'))).toBe('sendto');
  expect(lastCall(trace.split('\n').slice(0, 6).join('\n'))).toBe('flock');
  expect(lastCall('')).toBe('start');
});

const timed = `100 1795234868.100000 openat(AT_FDCWD, "/etc/ld.so.cache", O_RDONLY) = 3
100 1795234868.250000 read(3, "ELF", 832) = 832
100 1795234868.500000 read(0, "{}", 4096) = 2
101 1795234868.510000 close(9)        = 0
100 1795234868.520000 sendto(7, [{nlmsg_len=32}], 32, 0, NULL, 0 <unfinished ...>
100 1795234868.530000 <... sendto resumed>) = ?
`;

test('own work begins with the read of the configuration, and a call cut off is not completed', () => {
  expect(beginningOf(timed)).toEqual({ pid: 100, at: 1795234868500 });
  expect(beginningOf(timed.split('\n').slice(0, 2).join('\n'))).toBeUndefined();
  expect(endOf(timed)).toBe(1795234868530);
  expect(lastCall(timed)).toBe('close');
});

describe('the spread of kills', () => {
  const names = ['read', 'openat', 'flock', 'sendto', 'write', 'close'];
  const hits = Array.from(
    { length: 25 },
    (_, index): Hit => ({
      command: index % 2 === 0 ? 'ADD' : 'DEL',
      lastCall: names[index % 6] ?? '',
      share: index / 24,
    }),
  );

  test('is good where all were made, after many calls, at all times', () => {
    expect(spreadProblems(hits, 25)).toEqual([]);
    expect(spreadProblems([], 0)).toEqual([]);
    expect(thirds(hits)).toEqual([8, 8, 9]);
    expect(describeHits(hits.slice(0, 3), 'ADD')).toBe(
      'ADD 2 kills, thirds of the time 2/0/0, after read 1, flock 1',
    );
  });

  test('is bad where kills missed', () => {
    expect(spreadProblems(hits.slice(0, 22), 25)).toEqual(['only 22 of 25 kills found a call at work']);
    expect(spreadProblems([], 2)).toEqual(['only 0 of 2 kills found a call at work']);
  });

  test('is bad where all came at one place', () => {
    const same = hits.map((hit) => ({ ...hit, lastCall: 'openat', share: 0.1 }));
    expect(spreadProblems(same, 25)).toEqual([
      'kills after 1 different system calls, 3 at least are needed',
      'no kill in third 2 of the run time',
      'no kill in third 3 of the run time',
    ]);
  });
});
