import { expect, test } from 'vitest';
import { pointsOf } from './points.ts';
import { lastCall } from './rounds.ts';

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

test('the last completed call is named, resumed ones included', () => {
  expect(lastCall(trace)).toBe('exit_group');
  expect(lastCall(trace.split('\n').slice(0, 7).join('\n'))).toBe('sendto');
  expect(lastCall(trace.split('\n').slice(0, 6).join('\n'))).toBe('flock');
  expect(lastCall('')).toBe('start');
});
