import { CniCode, CniError } from './error.ts';

/**
 * Which code an error of the layers below becomes. The one place where that is decided.
 *
 * Errors of the system are told by their shape (`code` and `errno`, as SyscallError, NetlinkError, NftError and Bun's
 * own have them): this room must not import those that do I/O.
 */
interface SystemError extends Error {
  readonly code: string;
  readonly errno: number;
}

/**
 * Conditions that pass by themselves: the runtime should repeat the call (code 11). EBUSY: a device or mount that is
 * being torn down; ENOBUFS: the netlink socket's buffer overran; ETXTBSY: the delegate's file is being written;
 * EADDRINUSE: a netlink port id in use.
 */
const transientCodes = [
  'EAGAIN',
  'EINTR',
  'EBUSY',
  'ENOBUFS',
  'ENOMEM',
  'ETIMEDOUT',
  'ETXTBSY',
  'EADDRINUSE',
];

/** Errors without errno that pass by themselves: shared/sys' lock, and what AbortSignal rejects with. */
const transientNames = ['LockTimeout', 'AbortError', 'TimeoutError'];

/** What to do about a code that says little by itself. */
const advice: Readonly<Record<string, string>> = {
  EPERM: 'run it as root (CAP_NET_ADMIN and CAP_SYS_ADMIN)',
  EACCES: 'run it as root, and check the permissions of the path',
  EROFS: 'the file system is read-only: mount it writable',
  ENOSPC: 'the file system is full: free some space or inodes',
  EDQUOT: 'the disk quota is used up: free some space',
  EMFILE: 'too many open files: raise the limit (ulimit -n)',
  ENFILE: 'too many open files on this machine: raise fs.file-max',
  EIO: 'the disk or file system reports an error: see dmesg',
  EOPNOTSUPP: 'the kernel does not support this: see which modules are loaded',
};

/** Depth of `cause` chains that is looked at: enough for any real one, and an end for one that is a circle. */
const maxChain = 16;

/**
 * Any thrown value as a CniError. A CniError anywhere in the chain of causes keeps its code, and the messages above
 * it are put before its own; an error of a system call or of netlink becomes 5, or 11 if it passes by itself; all
 * else is 999 with the chain in `details`. An AggregateError takes the code of its first error and lists all.
 */
export function toCniError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  if (error instanceof AggregateError && error.errors.length > 0) return fromAggregate(error);
  const chain = chainOf(error);
  const at = chain.findIndex((link) => link instanceof CniError);
  const inner = chain[at];
  if (inner instanceof CniError) {
    const message = chain
      .slice(0, at + 1)
      .map(messageOf)
      .join(': ');
    return new CniError(inner.code, message, { details: inner.details, cause: error });
  }
  const system = chain.find(isSystemError);
  if (system) {
    const code = isTransient(system) ? CniCode.TryAgainLater : CniCode.IoFailure;
    return new CniError(code, joinMessages(chain), {
      details: advice[system.code],
      cause: error,
    });
  }
  if (chain.some((link) => link instanceof Error && transientNames.includes(link.name))) {
    return new CniError(CniCode.TryAgainLater, joinMessages(chain), { cause: error });
  }
  return new CniError(CniCode.Internal, `internal error: ${messageOf(chain[0])}`, {
    details: chain.map(describe).join(': caused by '),
    cause: error,
  });
}

function fromAggregate(error: AggregateError): CniError {
  const all = error.errors.map(toCniError);
  const [first] = all;
  const code = first?.code ?? CniCode.Internal;
  const messages = all.map((one) => (one.details ? `${one.message} (${one.details})` : one.message));
  const head = error.message || `${all.length} errors`;
  return new CniError(code, all.length === 1 ? (all[0]?.message ?? head) : `${head}: ${messages[0]}`, {
    details: messages.join('; '),
    cause: error,
  });
}

function chainOf(error: unknown): unknown[] {
  const chain: unknown[] = [error];
  for (let link = error; link instanceof Error && link.cause !== undefined && chain.length < maxChain; ) {
    link = link.cause;
    chain.push(link);
  }
  return chain;
}

function isSystemError(error: unknown): error is SystemError {
  if (!(error instanceof Error)) return false;
  const { code, errno } = error as Partial<SystemError>;
  return typeof code === 'string' && typeof errno === 'number';
}

function isTransient(error: SystemError): boolean {
  return transientCodes.includes(error.code);
}

/** The messages from the outermost inwards, without those that the one before already quotes. */
function joinMessages(chain: readonly unknown[]): string {
  const messages = chain.map(messageOf);
  return messages
    .filter((message, index) => index === 0 || !messages[index - 1]?.includes(message))
    .join(': ');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
