import { describe, expect, test } from 'vitest';
import { RpcError } from '../../shared/grpc/error.ts';
import { SyscallError } from '../../shared/sys/errno.ts';
import { aborted, toRpcError } from './status.ts';

describe('whatever a handler threw', () => {
  test('an answer stays as it is', () => {
    const error = aborted('later');
    expect(toRpcError(error)).toBe(error);
  });

  test.each([
    ['ENOSPC', 28, 'RESOURCE_EXHAUSTED'],
    ['EDQUOT', 122, 'RESOURCE_EXHAUSTED'],
    ['EOPNOTSUPP', 95, 'FAILED_PRECONDITION'],
    ['EBUSY', 16, 'FAILED_PRECONDITION'],
    ['EIO', 5, 'UNAVAILABLE'],
    ['EROFS', 30, 'UNAVAILABLE'],
    ['ENODEV', 19, 'UNAVAILABLE'],
    ['EPERM', 1, 'INTERNAL'],
    ['EINVAL', 22, 'INTERNAL'],
  ] as const)('%s (%i) of a system call is %s', (errno, number, code) => {
    const cause = new SyscallError('mount', number, '/somewhere');
    const error = toRpcError(cause);
    expect([error.code, error.cause]).toEqual([code, cause]);
    expect(error.details).toContain(errno);
  });

  test.each([
    [new TypeError('a mistake'), 'a mistake'],
    ['a text', 'a text'],
    [undefined, 'undefined'],
    [null, 'null'],
  ])('%s is INTERNAL', (thrown, details) => {
    const error = toRpcError(thrown);
    expect(error).toBeInstanceOf(RpcError);
    expect([error.code, error.details]).toEqual(['INTERNAL', details]);
  });
});
