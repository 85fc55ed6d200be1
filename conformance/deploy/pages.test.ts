/** The pages on installing name files, programs and objects that there are. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { AGENT_FLAGS } from '../../cni/agent/flags.ts';
import { INSTALL_FLAGS } from '../../commands/install.ts';
import { version } from '../../package.json' with { type: 'json' };
import { imagePath } from '../../scripts/images.ts';
import { type DaemonSet, manifestsOf, only } from './manifests.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const PAGES = [
  'install-kubeadm',
  'install-k3s',
  'install-without-kubernetes',
  'change-over-from-flannel',
  'change-over-from-kube-proxy',
  'edge-links',
].map((name) => [name, readFileSync(`${ROOT}/docs/${name}.md`, 'utf8')] as const);

const all = (text: string, pattern: RegExp): string[] => [
  ...new Set(text.matchAll(pattern).map(([, found]) => found ?? '')),
];

describe.each(PAGES)('docs/%s.md', (name, text) => {
  test('names files of this repository that are there', () => {
    const files = all(text, /(?<![\w/.])((?:cni|conformance|docs|scripts)\/[\w./-]*\w)/g);
    expect(files.filter((path) => !existsSync(`${ROOT}/${path}`))).toEqual([]);
    const pages = all(text, /\]\(([\w-]+\.md)\)/g);
    expect(pages.filter((path) => !existsSync(`${ROOT}/docs/${path}`))).toEqual([]);
  });

  test('names programs that there are', () => {
    const main = readFileSync(`${ROOT}/main.ts`, 'utf8');
    const programs = all(text, /\bunderpod (status|check|agent|install|uninstall|[a-z]+)\b(?=[ `\n])/g);
    expect(programs.filter((program) => !main.includes(`\n  ${program}: {`))).toEqual([]);
  });

  test('names settings that there are', () => {
    const known = new Set(
      [...AGENT_FLAGS, ...INSTALL_FLAGS].map(
        (flag) => `FLANNELD_${flag.name.toUpperCase().replaceAll('-', '_')}`,
      ),
    );
    expect(all(text, /\b(FLANNELD_[A-Z_]+)/g).filter((variable) => !known.has(variable))).toEqual([]);
  });

  test('names this version', () => {
    const versions = all(text, /\bunderpod[:-](\d+\.\d+\.\d+)/g);
    expect(versions.filter((named) => named !== version)).toEqual([]);
    for (const archive of all(text, /(dist\/\S+\.image\.tar)/g))
      if (!archive.includes('{')) expect(archive).toBe(imagePath('amd64'));
  });

  test('names the objects of the manifests', () => {
    const manifests = manifestsOf('kubeadm');
    const namespace = only(manifests, 'Namespace').metadata.name;
    expect(all(text, /-n (underpod\S*)/g).filter((named) => named !== namespace)).toEqual([]);
    const daemonSet = only(manifests, 'DaemonSet').metadata.name;
    expect(all(text, /daemonset\/(underpod[\w-]*)/g).filter((named) => named !== daemonSet)).toEqual([]);
    const [install] = only<DaemonSet>(manifests, 'DaemonSet').spec.template.spec.initContainers;
    const directory = install.args.find((arg) => arg.startsWith('--bin-dir='))?.slice('--bin-dir='.length);
    for (const path of all(text, /(\/\S+\/underpod) (?:status|uninstall|check)\b/g)) {
      expect(path, name).toBe(`${directory}/underpod`);
    }
  });
});
