/**
 * A server of prepared answers, so that what is measured is the client: lists of nodes in pages, compressed as
 * kube-apiserver compresses them (gzip, level 1, from 128 kB on), one node that registers, a watch that is silent.
 *
 * Usage: kubernetes-server.ts NODES CERTIFICATE KEY. Prints its port.
 */

import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { kubeletNode } from './kubelet-node.ts';

const PAGE = 500;
const [nodes = '5000', certFile = '', keyFile = ''] = process.argv.slice(2);
const count = Number(nodes);

const own = {
  kind: 'Node',
  apiVersion: 'v1',
  metadata: { name: 'bench', resourceVersion: '200000', annotations: {} },
  spec: { podCIDR: '10.128.0.0/24', podCIDRs: ['10.128.0.0/24'] },
};

const pages: Uint8Array<ArrayBuffer>[] = [];
for (let start = 0; start < count; start += PAGE) {
  const items = Array.from({ length: Math.min(PAGE, count - start) }, (_, n) => kubeletNode(start + n + 1));
  if (start === 0) items.push(own);
  const next = start + PAGE < count ? { continue: String(pages.length + 1) } : {};
  const list = {
    kind: 'NodeList',
    apiVersion: 'v1',
    metadata: { resourceVersion: '200000', ...next },
    items,
  };
  pages.push(new Uint8Array(gzipSync(JSON.stringify(list), { level: 1 })));
}

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  idleTimeout: 0,
  tls: { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') },
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== '/api/v1/nodes') {
      const patch = request.method === 'PATCH' ? ((await request.json()) as { metadata?: object }) : {};
      Object.assign(
        own.metadata.annotations,
        (patch.metadata as typeof own.metadata | undefined)?.annotations,
      );
      return Response.json(own);
    }
    if (searchParams.get('watch') === 'true') {
      const silence = new ReadableStream({ start: (controller) => controller.enqueue('\n') });
      return new Response(silence, { headers: { 'content-type': 'application/json' } });
    }
    return new Response(pages[Number(searchParams.get('continue') ?? 0)], {
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    });
  },
});
process.stdout.write(`${server.port}\n`);
