/**
 * Control groups of a node: a directory of this machine's in each hierarchy (v1, as containerd and the kubelet find it here),
 * mounted on the node as its root, so that a kubelet without groups for pods leaves nothing at the machine's own top.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

const ROOT = '/sys/fs/cgroup';
/** With the number of the process whose it is. */
const PREFIX = 'underpod-cluster-';

/** The hierarchies that are mounted here. */
function hierarchies(): string[] {
  return readdirSync(ROOT).filter((name) => existsSync(`${ROOT}/${name}/cgroup.procs`));
}

/** Why a node can have none here; undefined if it can. */
export function cgroupsMissing(): string | undefined {
  if (existsSync(`${ROOT}/cgroup.controllers`)) return 'control groups of version 2: not tried yet';
  return existsSync(`${ROOT}/memory/cgroup.procs`) ? undefined : 'there are no control groups here';
}

/** Makes the groups of a node. @returns the shell script that mounts them there, at /sys/fs/cgroup */
export function makeCgroups(node: string): string {
  const mounts = hierarchies().map((name) => {
    const top = `${ROOT}/${name}/${PREFIX}${process.pid}`;
    for (const directory of [top, `${top}/${node}`]) {
      mkdirSync(directory, { recursive: true });
      // A new group of this kind has no processors and no memory, and takes no process.
      if (name === 'cpuset')
        for (const file of ['cpuset.cpus', 'cpuset.mems'])
          writeFileSync(`${directory}/${file}`, readFileSync(`${ROOT}/cpuset/${file}`));
    }
    return `mkdir ${ROOT}/${name}\nmount --bind /host${top}/${node} ${ROOT}/${name}`;
  });
  return `mount -t tmpfs cgroup ${ROOT}\n${mounts.join('\n')}\n`;
}

/** Removes the groups of this process's nodes, whose processes have ended, and of earlier ones that were killed. */
export function removeCgroups(): void {
  for (const name of hierarchies()) {
    for (const entry of readdirSync(`${ROOT}/${name}`)) {
      const owner = entry.startsWith(PREFIX) ? Number(entry.slice(PREFIX.length)) : undefined;
      if (owner === undefined || (owner !== process.pid && existsSync(`/proc/${owner}`))) continue;
      // From the inside out, by rmdir: their files cannot be removed.
      spawnSync('find', [`${ROOT}/${name}/${entry}`, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';']);
    }
  }
}

/** Groups of this process's nodes that are still there. */
export function cgroupsLeft(): string[] {
  return hierarchies().flatMap((name) => {
    const top = `${ROOT}/${name}/${PREFIX}${process.pid}`;
    return existsSync(top) ? [top] : [];
  });
}
