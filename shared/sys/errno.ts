/**
 * Errors of system calls, with the kernel's errno under its symbolic name.
 *
 * Numbers: include/uapi/asm-generic/errno-base.h and errno.h; amd64 and arm64 share them.
 */

const names: Readonly<Record<number, string>> = {
  1: 'EPERM',
  2: 'ENOENT',
  3: 'ESRCH',
  4: 'EINTR',
  5: 'EIO',
  6: 'ENXIO',
  7: 'E2BIG',
  8: 'ENOEXEC',
  9: 'EBADF',
  10: 'ECHILD',
  11: 'EAGAIN',
  12: 'ENOMEM',
  13: 'EACCES',
  14: 'EFAULT',
  15: 'ENOTBLK',
  16: 'EBUSY',
  17: 'EEXIST',
  18: 'EXDEV',
  19: 'ENODEV',
  20: 'ENOTDIR',
  21: 'EISDIR',
  22: 'EINVAL',
  23: 'ENFILE',
  24: 'EMFILE',
  25: 'ENOTTY',
  26: 'ETXTBSY',
  27: 'EFBIG',
  28: 'ENOSPC',
  29: 'ESPIPE',
  30: 'EROFS',
  31: 'EMLINK',
  32: 'EPIPE',
  33: 'EDOM',
  34: 'ERANGE',
  35: 'EDEADLK',
  36: 'ENAMETOOLONG',
  37: 'ENOLCK',
  38: 'ENOSYS',
  39: 'ENOTEMPTY',
  40: 'ELOOP',
  54: 'EXFULL',
  61: 'ENODATA',
  62: 'ETIME',
  71: 'EPROTO',
  74: 'EBADMSG',
  75: 'EOVERFLOW',
  85: 'ERESTART',
  88: 'ENOTSOCK',
  89: 'EDESTADDRREQ',
  90: 'EMSGSIZE',
  91: 'EPROTOTYPE',
  92: 'ENOPROTOOPT',
  93: 'EPROTONOSUPPORT',
  94: 'ESOCKTNOSUPPORT',
  95: 'EOPNOTSUPP',
  96: 'EPFNOSUPPORT',
  97: 'EAFNOSUPPORT',
  98: 'EADDRINUSE',
  99: 'EADDRNOTAVAIL',
  100: 'ENETDOWN',
  101: 'ENETUNREACH',
  103: 'ECONNABORTED',
  104: 'ECONNRESET',
  105: 'ENOBUFS',
  106: 'EISCONN',
  107: 'ENOTCONN',
  110: 'ETIMEDOUT',
  111: 'ECONNREFUSED',
  112: 'EHOSTDOWN',
  113: 'EHOSTUNREACH',
  114: 'EALREADY',
  115: 'EINPROGRESS',
  116: 'ESTALE',
  117: 'EUCLEAN',
  122: 'EDQUOT',
  125: 'ECANCELED',
};

const meanings: Readonly<Record<string, string>> = {
  EPERM: 'operation not permitted',
  ENOENT: 'no such file or directory',
  EIO: 'input/output error',
  EACCES: 'permission denied',
  EBUSY: 'device or resource busy',
  EEXIST: 'already exists',
  ENODEV: 'no such device',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  EINVAL: 'invalid argument',
  EMFILE: 'too many open files',
  ENOSPC: 'no space left on device',
  EROFS: 'read-only file system',
  ENAMETOOLONG: 'name too long',
  ENOTEMPTY: 'directory not empty',
  ELOOP: 'too many symbolic links',
  EOPNOTSUPP: 'operation not supported',
  EADDRINUSE: 'address already in use',
  ENOBUFS: 'no buffer space available',
  EUCLEAN: 'structure needs cleaning',
  EDQUOT: 'disk quota exceeded',
};

/** The symbolic name of an errno number, for example 2 → `ENOENT`; unknown ones become `E<number>`. */
export function errnoName(errno: number): string {
  return names[errno] ?? `E${errno}`;
}

/** The number of an errno's symbolic name, the other way round than `errnoName`; 0 for what is no such name. */
export function errnoNumber(code: string): number {
  for (const [errno, name] of Object.entries(names)) if (name === code) return Number(errno);
  return /^E\d+$/.test(code) ? Number(code.slice(1)) : 0;
}

/** A sentence fragment for an errno name, or the name itself where none is known. */
export function errnoMeaning(code: string): string {
  return meanings[code] ?? code;
}

/** A system call failed: which one, on what path, with which errno. */
export class SyscallError extends Error {
  override readonly name = 'SyscallError';
  /** The system call's name, for example `openat`. */
  readonly call: string;
  /** The errno's symbolic name, for example `ENOENT`. */
  readonly code: string;
  /** The errno number, positive. */
  readonly errno: number;
  /** The path (or another object, such as an interface) that the call was about. */
  readonly path?: string;

  constructor(call: string, errno: number, path?: string, options?: ErrorOptions) {
    const code = errnoName(errno);
    const meaning = errnoMeaning(code);
    const why = meaning === code ? code : `${meaning} (${code})`;
    super(path === undefined ? `${call}: ${why}` : `${call} ${path}: ${why}`, options);
    this.call = call;
    this.errno = errno;
    this.code = code;
    if (path !== undefined) this.path = path;
  }
}

/** True if `error` is a SyscallError with one of the named errno codes. */
export function isErrno(error: unknown, ...codes: string[]): error is SyscallError {
  return error instanceof SyscallError && codes.includes(error.code);
}
