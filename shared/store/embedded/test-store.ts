import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubeObject } from '../kube-object.ts';
import { EmbeddedStore, type StoreOptions } from './store.ts';

/** A directory of its own for a test's stores; disposing closes them and removes it. */
export class StoreDirectory implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), 'underpod-store-'));
  readonly file: string = join(this.path, 'store.db');
  readonly #stores: EmbeddedStore[] = [];

  open(options?: StoreOptions): EmbeddedStore {
    const store = EmbeddedStore.open(this.file, options);
    this.#stores.push(store);
    return store;
  }

  [Symbol.dispose](): void {
    for (const store of this.#stores) store[Symbol.dispose]();
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A Service that carries `value`, which may be of any size. */
export function sampleObject(name: string, value: unknown = 1, namespace: string = 'default'): KubeObject {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { value } };
}

/** The key of `sampleObject`. */
export function sampleKey(
  name: string,
  namespace: string = 'default',
): { kind: string; namespace: string; name: string } {
  return { kind: 'Service', namespace, name };
}
