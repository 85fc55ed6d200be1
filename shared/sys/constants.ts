/**
 * Constants of the kernel's user-space interface, for amd64 and arm64.
 *
 * Sources: include/uapi/asm-generic/fcntl.h, arch/arm64/include/uapi/asm/fcntl.h, include/uapi/linux/{fcntl,mount,
 * sched,socket,netlink,magic,stat}.h, include/linux/socket.h.
 */

const arm64 = process.arch === 'arm64';

const directory: number = arm64 ? 0o40000 : 0o200000;

type OpenFlag =
  | 'RDONLY'
  | 'WRONLY'
  | 'RDWR'
  | 'CREAT'
  | 'EXCL'
  | 'TRUNC'
  | 'APPEND'
  | 'NONBLOCK'
  | 'DIRECT'
  | 'DIRECTORY'
  | 'NOFOLLOW'
  | 'CLOEXEC'
  | 'PATH'
  | 'TMPFILE';

/** Flags of openat(2). O_DIRECT, O_DIRECTORY, O_NOFOLLOW and O_TMPFILE differ between the architectures. */
export const O: Readonly<Record<OpenFlag, number>> = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DIRECT: arm64 ? 0o200000 : 0o40000,
  DIRECTORY: directory,
  NOFOLLOW: arm64 ? 0o100000 : 0o400000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
  TMPFILE: 0o20000000 | directory,
};

/** Special file descriptors and flags of the *at(2) calls. */
export const AT = {
  FDCWD: -100,
  SYMLINK_NOFOLLOW: 0x100,
  REMOVEDIR: 0x200,
  SYMLINK_FOLLOW: 0x400,
  EMPTY_PATH: 0x1000,
} as const;

/** Operations of flock(2). */
export const LOCK = { SH: 1, EX: 2, NB: 4, UN: 8 } as const;

/** Flags of mount(2). */
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  SYNCHRONOUS: 16,
  REMOUNT: 32,
  DIRSYNC: 128,
  NOSYMFOLLOW: 256,
  NOATIME: 1024,
  NODIRATIME: 2048,
  BIND: 4096,
  MOVE: 8192,
  REC: 16384,
  UNBINDABLE: 0x20000,
  PRIVATE: 0x40000,
  SLAVE: 0x80000,
  SHARED: 0x100000,
  RELATIME: 0x200000,
  STRICTATIME: 0x1000000,
  LAZYTIME: 0x2000000,
} as const;

/** Flags of umount2(2). */
export const MNT = { FORCE: 1, DETACH: 2, EXPIRE: 4, NOFOLLOW: 8 } as const;

/** Namespace flags of unshare(2) and setns(2). */
export const CLONE = {
  NEWNS: 0x20000,
  NEWCGROUP: 0x2000000,
  NEWUTS: 0x4000000,
  NEWIPC: 0x8000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
} as const;

/** Flags of clone(2) for processes. */
export const CLONE_PROCESS = { PIDFD: 0x1000 } as const;

/** Advice of madvise(2): whether memory is copied to a child (include/uapi/asm-generic/mman-common.h). */
export const MADV = { DONTFORK: 10, DOFORK: 11 } as const;

/** Address families. */
export const AF = { UNSPEC: 0, UNIX: 1, INET: 2, BRIDGE: 7, INET6: 10, NETLINK: 16, PACKET: 17 } as const;

/** Socket types and the flags that socket(2) takes with them. */
export const SOCK = { STREAM: 1, DGRAM: 2, RAW: 3, NONBLOCK: 0o4000, CLOEXEC: 0o2000000 } as const;

/** Levels of setsockopt(2). */
export const SOL = { SOCKET: 1, IP: 0, IPV6: 41, NETLINK: 270 } as const;

/** Options at level SOL_SOCKET. */
export const SO = {
  REUSEADDR: 2,
  SNDBUF: 7,
  RCVBUF: 8,
  RCVTIMEO: 20,
  SNDTIMEO: 21,
  ATTACH_FILTER: 26,
  SNDBUFFORCE: 32,
  RCVBUFFORCE: 33,
} as const;

/** Flags of recvfrom(2) and sendto(2). */
export const MSG = { PEEK: 2, TRUNC: 0x20, DONTWAIT: 0x40, NOSIGNAL: 0x4000 } as const;

/** File types in `st_mode`, and their mask. */
export const S_IF = {
  MT: 0o170000,
  SOCK: 0o140000,
  LNK: 0o120000,
  REG: 0o100000,
  BLK: 0o060000,
  DIR: 0o040000,
  CHR: 0o020000,
  IFO: 0o010000,
} as const;

/** `f_type` of statfs(2) for the file systems that underpod tells apart. */
export const FS_MAGIC = {
  NSFS: 0x6e736673,
  PROC: 0x9fa0,
  TMPFS: 0x01021994,
  OVERLAY: 0x794c7630,
  EXT4: 0xef53,
  XFS: 0x58465342,
  BTRFS: 0x9123683e,
  NFS: 0x6969,
  SMB: 0x517b,
  SMB2: 0xfe534d42,
  CIFS: 0xff534d42,
  CEPH: 0x00c36400,
  FUSE: 0x65735546,
  V9FS: 0x01021997,
  AFS: 0x5346414f,
  CODA: 0x73757245,
  NCP: 0x564c,
  GFS2: 0x01161970,
  OCFS2: 0x7461636f,
} as const;
