import { describe, expect, test } from 'vitest';
import { type ImageSpec, imageArchive } from './oci.ts';

const spec: ImageSpec = {
  architecture: 'arm64',
  reference: 'underpod:1.2.3',
  layers: [
    { createdBy: 'base', entries: [{ path: 'etc', type: 'directory', mode: 0o755 }] },
    {
      createdBy: 'program',
      entries: [{ path: 'program', type: 'file', mode: 0o755, content: new TextEncoder().encode('text') }],
    },
  ],
  entrypoint: ['/program'],
  env: ['PATH=/bin'],
  labels: { a: 'b' },
};

/** Files of an archive, by tar(1). */
function read(archive: Uint8Array): (path: string) => Uint8Array {
  return (path) => {
    const done = Bun.spawnSync(['tar', '--extract', '--to-stdout', path], { stdin: archive, stderr: 'pipe' });
    expect(done.stderr.toString()).toBe('');
    return new Uint8Array(done.stdout);
  };
}

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}
interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}
interface Config {
  readonly rootfs: { readonly diff_ids: readonly string[] };
  readonly history: readonly { readonly created_by: string }[];
}
interface DockerImage {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

const parse = <T>(bytes: Uint8Array): T => JSON.parse(new TextDecoder().decode(bytes)) as T;
const path = ({ digest }: { readonly digest: string }): string => `blobs/${digest.replace(':', '/')}`;
const sha256 = (bytes: Uint8Array): string =>
  `sha256:${new Bun.CryptoHasher('sha256').update(bytes).digest('hex')}`;

describe('imageArchive', () => {
  const file = read(imageArchive(spec));
  const blob = (descriptor: Descriptor): Uint8Array => {
    const bytes = file(path(descriptor));
    expect(sha256(bytes)).toBe(descriptor.digest);
    expect(bytes.length).toBe(descriptor.size);
    return bytes;
  };
  const index = parse<{ manifests: [Descriptor, ...Descriptor[]] }>(file('index.json'));
  const manifest = parse<Manifest>(blob(index.manifests[0]));
  const config = parse<Config>(blob(manifest.config));

  test('is an OCI layout with one image under its name', () => {
    expect(parse(file('oci-layout'))).toEqual({ imageLayoutVersion: '1.0.0' });
    expect(index.manifests).toHaveLength(1);
    expect(index.manifests[0]).toMatchObject({
      platform: { architecture: 'arm64', os: 'linux' },
      annotations: {
        'org.opencontainers.image.ref.name': '1.2.3',
        'io.containerd.image.name': 'docker.io/library/underpod:1.2.3',
      },
    });
  });

  test('names its layers by what they hold, compressed and not', () => {
    expect(config.rootfs.diff_ids).toHaveLength(2);
    manifest.layers.forEach((layer, at) => {
      const tar = Bun.gunzipSync(blob(layer) as Uint8Array<ArrayBuffer>);
      expect(sha256(tar)).toBe(config.rootfs.diff_ids[at]);
    });
    expect(config.history.map((step) => step.created_by)).toEqual(['base', 'program']);
  });

  test('says what to run', () => {
    expect(config).toMatchObject({
      architecture: 'arm64',
      os: 'linux',
      config: { Entrypoint: ['/program'], Env: ['PATH=/bin'], Labels: { a: 'b' } },
    });
  });

  test('docker’s own list names the same blobs', () => {
    const [image] = parse<[DockerImage]>(file('manifest.json'));
    expect(image.RepoTags).toEqual(['underpod:1.2.3']);
    expect(parse(file(image.Config))).toEqual(config);
    expect(image.Layers).toEqual(manifest.layers.map(path));
  });

  test('has the same bytes each time', () => {
    expect(sha256(imageArchive(spec))).toBe(sha256(imageArchive(spec)));
  });
});
