import { FS_MAGIC } from '../../sys/constants.ts';
import { statfs } from '../../sys/stat.ts';
import { StoreRefusedError } from '../errors.ts';

/**
 * File systems that several kernels can have mounted at once, by statfs(2)'s f_type. SQLite's WAL keeps its index in
 * memory shared by one kernel's processes, so a second kernel would corrupt the store (sqlite.org/wal.html, "WAL does
 * not work over a network filesystem"). Sources: include/uapi/linux/magic.h and, for modules outside the kernel's
 * tree, the numbers that stat(1) of coreutils knows.
 */
const sharedFilesystems: ReadonlyMap<number, string> = new Map([
  [FS_MAGIC.NFS, 'NFS'],
  [FS_MAGIC.SMB, 'SMB'],
  [FS_MAGIC.SMB2, 'SMB'],
  [FS_MAGIC.CIFS, 'CIFS'],
  [FS_MAGIC.CEPH, 'CephFS'],
  // Also sshfs, GlusterFS and virtiofs; a local file system over FUSE is refused with them.
  [FS_MAGIC.FUSE, 'FUSE'],
  [FS_MAGIC.V9FS, '9p'],
  [FS_MAGIC.AFS, 'AFS'],
  [FS_MAGIC.CODA, 'Coda'],
  [FS_MAGIC.NCP, 'NCP'],
  [FS_MAGIC.GFS2, 'GFS2'],
  [FS_MAGIC.OCFS2, 'OCFS2'],
  [0x6b414653, 'AFS'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x19830326, 'BeeGFS'],
  [0x20030528, 'OrangeFS'],
  [0xaad7aaea, 'PanFS'],
  [0xbeefdead, 'StorNext'],
  [0x61636673, 'ACFS'],
  [0x786f4256, 'a VirtualBox shared folder'],
  [0x7c7c6673, 'a Parallels shared folder'],
  [0xbacbacbc, 'a VMware shared folder'],
]);

/** What to do for a cluster of more than one machine; ends the messages of this room. */
export const OTHER_STORES: string =
  'for several machines keep the state in Kubernetes (--kube-subnet-mgr) or etcd (--etcd-endpoints)';

/** The name of a file system that must not hold a store, `undefined` for one that may. */
export function sharedFilesystemName(type: number): string | undefined {
  return sharedFilesystems.get(type);
}

/**
 * Refuses a directory that other machines may have mounted too.
 *
 * @param typeOf asks for f_type; an argument for the tests, which have no NFS
 * @throws StoreRefusedError
 */
export function requireLocalFilesystem(
  directory: string,
  typeOf: (path: string) => number = (path) => statfs(path).type,
): void {
  const name = sharedFilesystemName(typeOf(directory));
  if (name === undefined) return;
  throw new StoreRefusedError(
    `${directory} is on ${name}, which other machines can write to as well; the embedded store needs a local disk. ` +
      `Choose another --store, or ${OTHER_STORES}`,
  );
}
