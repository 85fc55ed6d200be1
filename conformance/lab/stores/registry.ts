/** The lab's stores by name. */
import { Embedded } from './embedded.ts';
import { EtcdStore } from './etcd.ts';
import { KubernetesStore } from './kubernetes.ts';
import type { LabStore, StoreContext } from './store.ts';

export function createStore(context: StoreContext): LabStore {
  const { store } = context.options;
  switch (store) {
    case 'embedded':
      return new Embedded(context);
    case 'etcd':
      return new EtcdStore(context);
    case 'kubernetes':
      return new KubernetesStore(context);
    default:
      return store satisfies never;
  }
}
