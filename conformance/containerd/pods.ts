/** Pods through the CRI, as a kubelet makes them. */
import { writeFileSync } from 'node:fs';
import type { Daemon } from './daemon.ts';

/** All that runc leaves on the machine itself, and removes with the pod. */
export const CGROUP: string = `/underpod-test-${process.pid}`;

export interface PodSpec {
  readonly name: string;
  readonly ports?: readonly { readonly container: number; readonly host: number }[];
  readonly annotations?: Readonly<Record<string, string>>;
  /** Words; runs beside the pause container. */
  readonly command: readonly string[];
}

export interface Pod {
  readonly spec: PodSpec;
  readonly id: string;
  readonly containerId: string;
  readonly ips: readonly string[];
}

interface Status {
  readonly status: {
    readonly state: string;
    readonly network: { readonly ip: string; readonly additionalIps?: readonly { readonly ip: string }[] };
  };
}

/** RunPodSandbox, CreateContainer, StartContainer. */
export function runPod(daemon: Daemon, directory: string, image: string, spec: PodSpec): Pod {
  const sandbox = `${directory}/${spec.name}.pod.json`;
  const container = `${directory}/${spec.name}.container.json`;
  const metadata = { name: spec.name, namespace: 'tests', uid: `uid-${spec.name}`, attempt: 1 };
  const portMappings = (spec.ports ?? []).map((port) => ({
    protocol: 0, // TCP
    container_port: port.container,
    host_port: port.host,
  }));
  const { annotations = {} } = spec;
  writeFileSync(
    sandbox,
    JSON.stringify({ metadata, annotations, port_mappings: portMappings, linux: { cgroup_parent: CGROUP } }),
  );
  writeFileSync(
    container,
    JSON.stringify({ metadata: { name: 'main' }, image: { image }, command: spec.command, linux: {} }),
  );
  const id = daemon.crictl('runp', sandbox).trim();
  const containerId = daemon.crictl('create', id, container, sandbox).trim();
  daemon.crictl('start', containerId);
  const { network } = statusOf(daemon, id);
  return { spec, id, containerId, ips: [network.ip, ...(network.additionalIps ?? []).map(({ ip }) => ip)] };
}

/** PodSandboxStatus. */
export function statusOf(daemon: Daemon, id: string): Status['status'] {
  return (JSON.parse(daemon.crictl('inspectp', '--output', 'json', id)) as Status).status;
}

/** ExecSync; returns what it printed, without the empty lines that crictl ends it with. @throws Error when it fails */
export function execIn(daemon: Daemon, pod: Pod, ...command: string[]): string {
  return `${daemon.crictl('exec', '--sync', pod.containerId, ...command).trimEnd()}\n`;
}

/** StopPodSandbox, as when the kubelet deletes a pod. */
export function stopPod(daemon: Daemon, pod: Pod): void {
  daemon.crictl('stopp', pod.id);
}

/** RemovePodSandbox. */
export function removePod(daemon: Daemon, pod: Pod): void {
  daemon.crictl('rmp', '--force', pod.id);
}
