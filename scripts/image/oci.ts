/**
 * An image as one archive: the layout of the OCI image specification 1.1, and beside it the manifest.json of
 * `docker save`, which older engines look for. Both name the same blobs. No I/O; Bun compresses.
 */
import { packTar, type TarEntry } from './tar.ts';

export interface Layer {
  /** What made it, for `docker history`. */
  readonly createdBy: string;
  readonly entries: readonly TarEntry[];
}

export interface ImageSpec {
  readonly architecture: 'amd64' | 'arm64';
  /** `underpod:0.1.0`. */
  readonly reference: string;
  readonly layers: readonly Layer[];
  readonly entrypoint: readonly string[];
  readonly env: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** What runtimes without a name for a registry put in front (distribution/reference). */
const DEFAULT_REGISTRY = 'docker.io/library/';

const MEDIA = 'application/vnd.oci.image';

interface Blob {
  readonly digest: string;
  readonly content: Uint8Array;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** @returns the bytes of the archive, the same for the same image */
export function imageArchive(spec: ImageSpec): Uint8Array {
  const layers = spec.layers.map(({ entries }) => {
    const tar = packTar(entries);
    // libdeflate: zlib's output depends on what the processor can do.
    return {
      diffId: digest(tar),
      blob: blobOf(Bun.gzipSync(tar as Uint8Array<ArrayBuffer>, { level: 6, library: 'libdeflate' })),
    };
  });
  const config = jsonBlob({
    architecture: spec.architecture,
    os: 'linux',
    config: { Entrypoint: spec.entrypoint, Env: spec.env, Labels: spec.labels, WorkingDir: '/' },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: spec.layers.map(({ createdBy }) => ({ created: EPOCH, created_by: createdBy })),
    created: EPOCH,
  });
  const manifest = jsonBlob({
    schemaVersion: 2,
    mediaType: `${MEDIA}.manifest.v1+json`,
    config: descriptor('config.v1+json', config),
    layers: layers.map(({ blob }) => descriptor('layer.v1.tar+gzip', blob)),
    annotations: spec.labels,
  });
  const index = {
    schemaVersion: 2,
    mediaType: `${MEDIA}.index.v1+json`,
    manifests: [
      {
        ...descriptor('manifest.v1+json', manifest),
        platform: { architecture: spec.architecture, os: 'linux' },
        annotations: {
          'org.opencontainers.image.ref.name': spec.reference.slice(spec.reference.indexOf(':') + 1),
          // containerd takes this for the whole name.
          'io.containerd.image.name': DEFAULT_REGISTRY + spec.reference,
        },
      },
    ],
  };
  const ofDocker = [
    {
      Config: blobPath(config),
      RepoTags: [spec.reference],
      Layers: layers.map(({ blob }) => blobPath(blob)),
    },
  ];
  const blobs = new Map(
    [config, manifest, ...layers.map(({ blob }) => blob)].map((blob) => [blob.digest, blob]),
  );
  return packTar([
    directory('blobs'),
    directory('blobs/sha256'),
    ...[...blobs.values()].map((blob) => file(blobPath(blob), blob.content)),
    file('index.json', json(index)),
    file('manifest.json', json(ofDocker)),
    file('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
  ]);
}

const EPOCH = '1970-01-01T00:00:00Z';

const json = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const jsonBlob = (value: object): Blob => blobOf(json(value));
const blobOf = (content: Uint8Array): Blob => ({ digest: digest(content), content });
const blobPath = (blob: Blob): string => `blobs/${blob.digest.replace(':', '/')}`;
const directory = (path: string): TarEntry => ({ path, type: 'directory', mode: 0o755 });
const file = (path: string, content: Uint8Array): TarEntry => ({ path, type: 'file', mode: 0o644, content });

function descriptor(type: string, { digest: of, content }: Blob): Descriptor {
  return { mediaType: `${MEDIA}.${type}`, digest: of, size: content.length };
}

function digest(content: Uint8Array): string {
  return `sha256:${new Bun.CryptoHasher('sha256').update(content).digest('hex')}`;
}
