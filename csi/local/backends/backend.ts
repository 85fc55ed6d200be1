/**
 * What a way of keeping volumes has to do. A backend knows data and mounts; names, records, capacity and who may do what are
 * the driver's. A place is a directory of the volume's own in the pool, `POOL/volumes/ID`, in which the backend may make whatever
 * it likes but for names that end in `.json`, which are the driver's records.
 *
 * Whoever is killed in the middle of a call is started again and calls again with the same arguments: every method goes on
 * with, or begins anew, what it finds half done, and does nothing where all is done.
 */

/** How volumes are kept; a StorageClass's parameter `backend`. */
export const BACKENDS = ['loop', 'quota', 'btrfs', 'directory'] as const;
export type BackendName = (typeof BACKENDS)[number];

/** File systems that a volume can have of its own. */
export const FS_TYPES = ['ext4', 'xfs', 'btrfs'] as const;
export type FsType = (typeof FS_TYPES)[number];

/** What a volume is to be. */
export interface Shape {
  /** Bytes, a multiple of 4096. */
  readonly size: number;
  /** Room is taken as it is written, not in advance. */
  readonly thin: boolean;
  /** A directory, or a block device. */
  readonly access: 'mount' | 'block';
  /** Of a directory, where the backend makes a file system for each volume. */
  readonly fsType: FsType;
}

/** What a backend can do, wherever it works at all. */
export interface Features {
  readonly block: boolean;
  /** A volume cannot hold more than its size. */
  readonly enforcesSize: boolean;
  readonly snapshots: boolean;
  /** Each volume has a file system of its own, of a type that is asked for. */
  readonly ownFileSystem: boolean;
  /** Smallest volume, in bytes, by file system: what mkfs needs. */
  readonly minimum: (shape: Pick<Shape, 'access' | 'fsType'>) => number;
}

/** How a volume is to be mounted. */
export interface MountOptions {
  readonly readOnly: boolean;
  /** As in mount(8)'s -o, checked against an allow-list already. */
  readonly flags: readonly string[];
}

/** Bytes and inodes of a volume that is mounted. */
export interface Usage {
  readonly totalBytes: number;
  readonly usedBytes: number;
  readonly availableBytes: number;
  /** 0 where the file system does not count them. */
  readonly totalInodes: number;
  readonly usedInodes: number;
  readonly availableInodes: number;
}

/** Told now and then while data is copied. */
export type Progress = (doneBytes: number, totalBytes: number) => void;

export interface Work {
  readonly signal: AbortSignal;
  readonly progress?: Progress;
}

export interface Backend {
  readonly name: BackendName;
  readonly features: Features;
  /** Why it cannot work in this pool, for people; undefined: it can. */
  check(poolDirectory: string): Promise<string | undefined>;
  /** Makes an empty volume, with its file system. @throws SyscallError ENOSPC, EDQUOT */
  create(place: string, shape: Shape, work: Work): Promise<void>;
  /**
   * Makes a volume, or a snapshot's copy, from another's data: by reflink where the file system can, else by copy. The source
   * may be in use: it is made still for a moment, where it has a file system of its own.
   *
   * @param shape its size is at least the source's; what is larger is grown at once
   */
  copy(
    place: string,
    shape: Shape,
    source: { readonly place: string; readonly shape: Shape },
    work: Work,
  ): Promise<void>;
  /** Removes all data; the place and its records stay. Not while it is staged. */
  remove(place: string, work: Work): Promise<void>;
  /** Makes the volume larger, in use or not; a file system in it grows by `growMounted`, or at its next `mount`. */
  expand(place: string, shape: Shape, work: Work): Promise<void>;
  /**
   * Mounts a volume at a directory that exists, or again where it is mounted there already.
   * A read-only mount never writes to the data but for what the file system's journal replays.
   */
  mount(place: string, shape: Shape, target: string, options: MountOptions, work: Work): Promise<void>;
  /** The volume as a block device, attached where it is not yet: `/dev/loop3`. Only of backends that can. */
  attach(place: string, shape: Shape): Promise<string>;
  /** Has a mounted file system fill its device. */
  growMounted(place: string, shape: Shape, target: string, work: Work): Promise<void>;
  /** Lets the device go, once nothing of it is mounted; nothing where there is none. */
  detach(place: string): Promise<void>;
  /** The path of the device that is attached now. */
  device(place: string): string | undefined;
  /** Of a volume that is mounted at `target`. */
  usage(place: string, shape: Shape, target: string): Promise<Usage>;
  /**
   * Bytes of the pool that a volume's data has already and shares with no other: what is left of its size is still to come.
   *
   * @throws SyscallError ENOENT where there is no data yet
   */
  taken(place: string, shape: Shape): number;
  /** What is wrong with a volume, for people: its data is missing, its device is gone, errors were found. */
  condition(place: string, shape: Shape): Promise<string | undefined>;
}
