/**
 * A node's file system and its process 1.
 *
 * The root is a directory of the lab's own tmpfs in which everything is a link to the host's files, mounted read-only
 * at /host, but for what a node writes to: /etc, /var/lib, /opt/cni, /usr/local/bin are its own and outlive its
 * restart; /run and /tmp are empty after each, as on a real machine. No overlayfs: a user namespace may not stack one
 * on a root that has mounts below it.
 */

/** Where the lab's shared files (the executable, the store) are in each node. */
export const SHARED: string = '/lab';
/** The executable as `underpod install` puts it in place. */
export const UNDERPOD: string = '/usr/local/bin/underpod';

/** Names at the top of a node's root that do not lead to the host's. */
const OWN = 'proc sys dev run tmp etc usr var opt lab host bin sbin lib lib32 lib64 libx32';

/**
 * The shell script that unshare(1) runs as process 1 of a node: builds or reuses the root, enters it, says "ready"
 * and from then on reaps orphans.
 *
 * @param root the node's root, a directory of the lab's tmpfs
 * @param shared the directory that all nodes see at /lab
 */
export function nodeInit(name: string, root: string, shared: string): string {
  return `set -eu
R=${root}
hostname ${name}
mount -n --bind $R $R
mount -n --rbind / $R/host
mount -n -o remount,bind,ro $R/host 2>/dev/null || :
mount -n --bind ${shared} $R${SHARED}
mount -n -t proc proc $R/proc
mount -n -t sysfs sysfs $R/sys
mount -n --rbind /dev $R/dev
mount -n -t tmpfs -o mode=0755 run $R/run
mount -n -t tmpfs -o mode=1777 tmp $R/tmp
mkdir $R/run/old $R/run/netns $R/run/lock
cd $R
pivot_root . run/old
umount -l run/old
rmdir run/old
echo ready
exec >/dev/null 2>&1
trap : TERM INT HUP
while :; do sleep 3600 & wait $! || :; done
`;
}

/** The shell script that makes a node's root, once. */
export function makeRoot(name: string, root: string): string {
  return `set -eu
R=${root}
mkdir -p $R
cd $R
mkdir proc sys dev run tmp host lab etc usr var opt
mkdir -p etc/cni etc/underpod opt/cni/bin usr/local/bin var/lib var/log var/tmp
for path in /*; do
  case " ${OWN} " in *" \${path#/} "*) ;; *) ln -s "host$path" ".$path" ;; esac
done
# Links at the host's top (bin -> usr/bin) stay links; directories are reached through /host.
for entry in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$entry" ]; then cp -P "/$entry" "$entry"; elif [ -d "/$entry" ]; then ln -s "host/$entry" "$entry"; fi
done
adopt() { # adopt DIRECTORY OWN…: links to all of the host's entries but the node's own
  directory=$1; shift
  for path in /$directory/* /$directory/.[!.]*; do
    entry=\${path##*/}
    [ -e "$path" ] || [ -L "$path" ] || continue
    case " $* " in *" $entry "*) ;; *) ln -s "/host$path" "$directory/$entry" ;; esac
  done
}
adopt etc cni underpod hostname hosts mtab
adopt usr local
adopt usr/local bin
adopt usr/local/bin underpod
adopt opt cni
adopt var lib log tmp run lock
ln -s /run var/run
ln -s /run/lock var/lock
ln -s /proc/self/mounts etc/mtab
echo ${name} > etc/hostname
printf '127.0.0.1 localhost\\n127.0.1.1 ${name}\\n::1 localhost\\n' > etc/hosts
`;
}
