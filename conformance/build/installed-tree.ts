/** A node's directories for the tests of the compiled `underpod install`. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';

/** Makes a root with another distribution's plugin and a network configuration that would win over ours. */
export function plantNode(root: string): void {
  const files: Record<string, string> = {
    '/opt/cni/bin/bridge': 'somebody’s bridge',
    '/etc/cni/net.d/10-flannel.conflist': 'somebody’s configuration',
    '/var/lib/misc/file': '',
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(`${root}${path.slice(0, path.lastIndexOf('/'))}`, { recursive: true });
    writeFileSync(`${root}${path}`, text);
  }
}

/** Path to content below a root; a link's is where it leads, a large file's its size, a directory's `dir`. */
export function readTree(root: string, prefix = ''): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(`${root}${prefix}`)) {
    const key = `${prefix}/${name}`;
    const status = lstatSync(`${root}${key}`);
    if (status.isDirectory()) Object.assign(found, { [key]: 'dir' }, readTree(root, key));
    else if (status.isSymbolicLink()) found[key] = `-> ${readlinkSync(`${root}${key}`)}`;
    else found[key] = status.size > 1e6 ? `${status.size} bytes` : readFileSync(`${root}${key}`, 'utf8');
  }
  return found;
}
