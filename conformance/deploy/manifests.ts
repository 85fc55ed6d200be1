/** The manifests of cni/agent/deploy, put together as `kubectl kustomize` does, as far as they need it. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const DEPLOY = resolve(import.meta.dirname, '../../cni/agent/deploy');

const PROXY_DEPLOY = resolve(import.meta.dirname, '../../cni/proxy/deploy');

const CSI_DEPLOY = resolve(import.meta.dirname, '../../csi/local/deploy');

/** The overlays that are applied. */
export const OVERLAYS = ['kubeadm', 'k3s', 'change-over'] as const;
export type Overlay = (typeof OVERLAYS)[number];

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

export interface DaemonSet extends Manifest {
  readonly spec: { readonly template: { readonly spec: PodSpec } };
}

export interface PodSpec {
  readonly serviceAccountName: string;
  readonly priorityClassName: string;
  readonly hostNetwork: boolean;
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly tolerations: readonly object[];
  readonly initContainers: readonly [Container, ...Container[]];
  readonly containers: readonly [Container, ...Container[]];
  readonly volumes: readonly Volume[];
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly securityContext?: {
    readonly readOnlyRootFilesystem?: boolean;
    readonly allowPrivilegeEscalation?: boolean;
    readonly privileged?: boolean;
    readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  };
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
    readonly mountPropagation?: string;
  }[];
}

export interface Probe {
  readonly httpGet: { readonly host: string; readonly port: number; readonly path: string };
}

export interface Volume {
  readonly name: string;
  readonly hostPath?: { readonly path: string; readonly type: string };
  readonly configMap?: { readonly name: string };
}

interface Kustomization {
  readonly resources: readonly string[];
  readonly patches?: readonly { readonly path: string }[];
}

/** Those of the service proxy. */
export const PROXY_OVERLAYS = ['kubeadm', 'k3s'] as const;
export type ProxyOverlay = (typeof PROXY_OVERLAYS)[number];

/** Everything that an overlay of the service proxy applies. */
export function proxyManifestsOf(overlay: ProxyOverlay): Manifest[] {
  return kustomize(join(PROXY_DEPLOY, overlay));
}

/** Those of the driver of local volumes. */
export const CSI_OVERLAYS = ['base', 'snapshots'] as const;
export type CsiOverlay = (typeof CSI_OVERLAYS)[number];

/** Everything that an overlay of the driver of local volumes applies. */
export function csiManifestsOf(overlay: CsiOverlay): Manifest[] {
  return kustomize(join(CSI_DEPLOY, overlay));
}

/** Everything that `kubectl apply -k` of an overlay applies. */
export function manifestsOf(overlay: Overlay): Manifest[] {
  return kustomize(join(DEPLOY, overlay));
}

/** A file of cni/agent/deploy, as YAML. */
export function deployFile<T>(path: string): T {
  return parseAll(join(DEPLOY, path))[0] as T;
}

/** The one object of a kind. */
export function only<T extends Manifest = Manifest>(manifests: readonly Manifest[], kind: string): T {
  const found = manifests.filter((manifest) => manifest.kind === kind);
  if (found.length !== 1) throw new Error(`there are ${found.length} objects of kind ${kind}`);
  return found[0] as T;
}

function kustomize(directory: string): Manifest[] {
  const { resources, patches = [] } = parseAll(join(directory, 'kustomization.yaml'))[0] as Kustomization;
  let manifests = resources.flatMap((name) => {
    const path = join(directory, name);
    return existsSync(join(path, 'kustomization.yaml')) ? kustomize(path) : (parseAll(path) as Manifest[]);
  });
  for (const { path } of patches) {
    const patch = parseAll(join(directory, path))[0] as Manifest;
    manifests = manifests.map((manifest) =>
      manifest.kind === patch.kind && manifest.metadata.name === patch.metadata.name
        ? (merge(manifest, patch) as Manifest)
        : manifest,
    );
  }
  return manifests;
}

/** Strategic merge of maps; none of our patches has a list. */
function merge(base: unknown, patch: unknown): unknown {
  if (!isMap(base) || !isMap(patch)) return patch;
  const merged = Object.entries(patch).map(([key, value]) => [key, merge(base[key], value)]);
  return { ...base, ...Object.fromEntries(merged) };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseAll(path: string): unknown[] {
  try {
    const parsed: unknown = Bun.YAML.parse(readFileSync(path, 'utf8'));
    return Array.isArray(parsed) ? parsed : [parsed];
  } catch (error) {
    throw new Error(`${path.slice(dirname(DEPLOY).length + 1)} cannot be read`, { cause: error });
  }
}
