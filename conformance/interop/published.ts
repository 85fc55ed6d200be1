/** What a node's agent tells the others, as it stands in the store: flannel's published formats, to the byte. */
import type { KubeObject } from '../kubernetes/api.ts';
import type { LabUnderTest } from '../lab/lab-under-test.ts';
import type { StoreName } from '../lab/stores/store.ts';

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
}

/** The text of a node's lease: etcd's key, value and time to live, or annotations and condition of the node object. */
export async function published(lab: LabUnderTest, store: StoreName, node: number): Promise<string> {
  const { out } = await lab.must('dump');
  const { value: dumped } = JSON.parse(out) as { value: Record<string, unknown> };
  return store === 'etcd' ? ofEtcd(dumped, node) : ofKubernetes(dumped, node);
}

/** The same text with tokens for what is a node's own: MACs and keys, which change with a boot, addresses, the subnet's number. */
export function withoutNode(text: string, node: number): string {
  return (
    text
      .replaceAll(/[0-9a-f]{2}(:[0-9a-f]{2}){5}/g, '<MAC>')
      // 32 bytes in Base64.
      .replaceAll(/"[A-Za-z0-9+/]{43}="/g, '"<key>"')
      .replaceAll(new RegExp(`(192\\.0\\.2\\.|2001:db8::)${node}\\b`, 'g'), '$1<node>')
      .replaceAll(/(10\.244\.)\d+|(fd00:10:244:)[0-9a-f]+/g, '$1$2<subnet>')
  );
}

function ofEtcd(dumped: Record<string, unknown>, node: number): string {
  const own = Object.entries(dumped).filter(([key, entry]) => {
    const { value } = entry as { value: string };
    return key.includes('/subnets/') && value.includes(`"PublicIP":"192.0.2.${node}"`);
  });
  return own
    .map(([key, entry]) => {
      const { value, seconds } = entry as { value: string; seconds?: number };
      return `${key} ${value} ${seconds} s\n`;
    })
    .join('');
}

function ofKubernetes(dumped: Record<string, unknown>, node: number): string {
  const { metadata, status } = dumped[`node${node}`] as KubeObject;
  const annotations = Object.entries(metadata.annotations ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const conditions = (status?.['conditions'] ?? []) as readonly Condition[];
  return [
    ...annotations.map(([key, value]) => `${key}: ${value}\n`),
    ...conditions.map(({ type, status: is, reason }) => `${type}=${is} ${reason}\n`),
  ].join('');
}
