/** Container images made on the spot: busybox and nothing else, in the archive that `docker save` writes. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

/** Applets that have a name in /bin. */
const APPLETS = ['sleep', 'ip', 'httpd', 'timeout'];

/**
 * Writes an archive with one image of one layer, whose /www/index.html holds `page`.
 *
 * @returns the archive's path. @throws Error without busybox-static or tar
 */
export function makeImage(directory: string, reference: string, page: string): string {
  const busybox = Bun.which('busybox');
  if (busybox === null) throw new Error('busybox is missing: make setup-ci installs it (busybox-static)');
  const staging = `${directory}/image`;
  const root = `${directory}/image-root`;
  for (const path of [staging, `${root}/bin`, `${root}/www`, `${root}/tmp`, `${root}/etc`])
    mkdirSync(path, { recursive: true });
  copyFileSync(busybox, `${root}/bin/busybox`);
  for (const applet of APPLETS) linkSync(`${root}/bin/busybox`, `${root}/bin/${applet}`);
  writeFileSync(`${root}/www/index.html`, page);
  pack(root, `${staging}/layer.tar`);
  const config = JSON.stringify({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Cmd: ['/bin/sleep', '1000000'], Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(readFileSync(`${staging}/layer.tar`))}`] },
  });
  const configName = `${sha256(config)}.json`;
  writeFileSync(`${staging}/${configName}`, config);
  writeFileSync(
    `${staging}/manifest.json`,
    JSON.stringify([{ Config: configName, RepoTags: [reference], Layers: ['layer.tar'] }]),
  );
  const archive = `${directory}/image.tar`;
  pack(staging, archive);
  for (const path of [staging, root]) rmSync(path, { recursive: true });
  return archive;
}

function pack(directory: string, archive: string): void {
  const packed = spawnSync('tar', ['--create', '--file', archive, '--directory', directory, '.'], {
    encoding: 'utf8',
  });
  if (packed.status !== 0) throw new Error(`tar: ${packed.stderr}`);
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
