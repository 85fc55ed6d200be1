import { expect, test } from 'vitest';
import { activatedSocket } from './activation.ts';

test('a socket is taken from who started this very process for it', () => {
  expect(activatedSocket({ LISTEN_PID: '7', LISTEN_FDS: '1' }, 7)).toBe(3);
  expect(activatedSocket({ LISTEN_PID: '7', LISTEN_FDS: '1' }, 8)).toBeUndefined();
  expect(activatedSocket({ LISTEN_PID: '7', LISTEN_FDS: '0' }, 7)).toBeUndefined();
  expect(activatedSocket({ LISTEN_PID: '7' }, 7)).toBeUndefined();
  expect(activatedSocket({}, 7)).toBeUndefined();
  expect(() => activatedSocket({ LISTEN_PID: '7', LISTEN_FDS: '2' }, 7)).toThrow(/hands on 2 sockets/);
});
