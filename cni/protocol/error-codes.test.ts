import { describe, expect, test } from 'vitest';
import { NetlinkError } from '../../shared/netlink/error.ts';
import { NftError } from '../../shared/nftables/error.ts';
import { errnoName, SyscallError } from '../../shared/sys/errno.ts';
import { invalidConfig, isCniError, tryAgainLater, unsupportedField } from './error.ts';
import { toCniError } from './error-codes.ts';

/** An error as shared/sys and shared/netlink throw them. */
function systemError(code: string, message = `openat /x: ${code}`): Error {
  return Object.assign(new Error(message), { code, errno: 1 });
}

function lockTimeout(): Error {
  const error = new Error('lock /run/x: held by another process');
  error.name = 'LockTimeout';
  return error;
}

describe('toCniError', () => {
  test('a CniError is its own answer', () => {
    const error = invalidConfig('gone');
    expect(toCniError(error)).toBe(error);
  });

  test('a CniError below others keeps code and details, and tells the whole story', () => {
    const inner = tryAgainLater('lock is held', { details: 'by 7' });
    const error = toCniError(new Error('delegate host-local failed', { cause: inner }));
    expect(error).toMatchObject({
      code: 11,
      message: 'delegate host-local failed: lock is held',
      details: 'by 7',
    });
  });

  test.each([
    ['EIO', 5],
    ['EROFS', 5],
    ['ENOSPC', 5],
    ['EPERM', 5],
    ['ENOENT', 5],
    ['EAGAIN', 11],
    ['EBUSY', 11],
    ['EINTR', 11],
    ['ENOBUFS', 11],
    ['ETXTBSY', 11],
  ])('%s is code %i', (code, expected) => {
    const error = toCniError(new Error('cannot write the lease', { cause: systemError(code) }));
    expect(error).toMatchObject({ code: expected, message: `cannot write the lease: openat /x: ${code}` });
  });

  test.each([
    ['SyscallError', (errno: number) => new SyscallError('openat', errno, '/x')],
    ['NetlinkError', (errno: number) => new NetlinkError('add link', { errno })],
    ['NftError', (errno: number) => new NftError('add rule', errnoName(errno))],
  ])('a real %s is told from an error of ours', (_, make) => {
    const [EIO, EAGAIN, EBUSY, EOPNOTSUPP, unheardOf] = [5, 11, 16, 95, 529];
    expect(make(EBUSY).errno).toBe(EBUSY);
    expect(make(unheardOf).errno).toBe(unheardOf);
    expect([EIO, EAGAIN, EBUSY, EOPNOTSUPP, unheardOf].map((errno) => toCniError(make(errno)).code)).toEqual([
      5, 11, 11, 5, 5,
    ]);
    expect(toCniError(make(EOPNOTSUPP)).details).toContain('modules');
  });

  test('the advice fits the code', () => {
    expect(toCniError(systemError('EROFS')).details).toContain('mount it writable');
    expect(toCniError(systemError('EPERM')).details).toContain('root');
    expect(toCniError(systemError('ENOENT')).details).toBeUndefined();
  });

  test('a message that quotes its cause is not said twice', () => {
    const cause = systemError('EIO');
    expect(toCniError(new Error(`reading failed: ${cause.message}`, { cause })).message).toBe(
      'reading failed: openat /x: EIO',
    );
  });

  test('locks and cancelled calls are to be tried again', () => {
    expect(toCniError(lockTimeout())).toMatchObject({
      code: 11,
      message: 'lock /run/x: held by another process',
    });
    expect(toCniError(AbortSignal.abort().reason).code).toBe(11);
    expect(toCniError(new Error('x', { cause: new DOMException('late', 'TimeoutError') })).code).toBe(11);
  });

  test('all else is internal, with the chain in details', () => {
    const error = toCniError(new TypeError('x is undefined', { cause: new RangeError('below') }));
    expect(error).toMatchObject({
      code: 999,
      message: 'internal error: x is undefined',
      details: 'TypeError: x is undefined: caused by RangeError: below',
    });
  });

  test.each([undefined, null, 'text', 7, {}])('%j can be thrown too', (value) => {
    expect(toCniError(value).code).toBe(999);
  });

  test('a chain that bites its tail ends', () => {
    const error = new Error('a');
    error.cause = error;
    expect(toCniError(error).code).toBe(999);
  });

  test("an AggregateError has the first one's code and tells of all", () => {
    const error = toCniError(new AggregateError([systemError('EBUSY'), invalidConfig('gone')], 'GC'));
    expect(error).toMatchObject({
      code: 11,
      message: 'GC: openat /x: EBUSY',
      details: 'openat /x: EBUSY; gone',
    });
    expect(toCniError(new AggregateError([invalidConfig('gone')])).message).toBe('gone');
    expect(toCniError(new AggregateError([])).code).toBe(999);
  });
});

test('unsupportedField has key and value in its message', () => {
  const error = unsupportedField('vlanTrunk', [{ id: 5 }], 'remove it');
  expect(isCniError(error, 2)).toBe(true);
  expect(error.message).toBe('"vlanTrunk": [{"id":5}] is not supported: remove it');
  expect(unsupportedField('a', 'x'.repeat(999), 'b').message.length).toBeLessThan(300);
});
