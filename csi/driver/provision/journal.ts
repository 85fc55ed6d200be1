/**
 * What was begun and not handed over: a volume for whose claim CreateVolume was called, until its PersistentVolume is there
 * or nothing is. Without it a claim that is deleted after a call that was broken off would leave a volume that nobody knows of.
 * (A sidecar remembers such claims in memory, until it is restarted.)
 */

import type { PersistentVolumeClaim, StorageClass } from '../../../shared/kube/storage-types.ts';
import { readDir } from '../../../shared/sys/directory.ts';
import { mkdirp, readText, unlinkIfExists, writeFileAtomic } from '../../../shared/sys/file.ts';
import type { CreateRequest } from './create-request.ts';

/** Enough to find the volume again, by asking for it once more. */
export interface Begun {
  readonly claim: PersistentVolumeClaim;
  readonly storageClass: StorageClass;
  readonly request: CreateRequest;
  /** There is no volume for certain; the snapshot that it is to be made from is still kept for it. */
  readonly isNothing?: true;
}

export function uidOf({ claim }: Begun): string {
  return claim.metadata.uid ?? '';
}

/** By the claim's uid. */
export interface Journal {
  /** It is kept when this returns. */
  put(begun: Begun): void;
  remove(uid: string): void;
  readonly all: ReadonlyMap<string, Begun>;
}

/** One that is as old as its process, for tests. */
export class MemoryJournal implements Journal {
  readonly #all = new Map<string, Begun>();

  get all(): ReadonlyMap<string, Begun> {
    return this.#all;
  }

  put(begun: Begun): void {
    this.#all.set(uidOf(begun), begun);
  }

  remove(uid: string): void {
    this.#all.delete(uid);
  }
}

/** One file for each, `UID.json`, readable by root alone: mount options may be secret. */
export class DiskJournal implements Journal {
  readonly #directory: string;
  readonly #all = new Map<string, Begun>();
  readonly #written = new Map<string, string>();

  /** @param onUnreadable told of files that are none of ours, or damaged: they stay */
  constructor(directory: string, onUnreadable: (file: string, error: unknown) => void) {
    this.#directory = directory;
    mkdirp(directory, 0o700);
    for (const { name } of readDir(directory)) {
      if (!name.endsWith('.json')) continue;
      const path = `${directory}/${name}`;
      try {
        const begun = parse(readText(path));
        this.#all.set(uidOf(begun), begun);
      } catch (error) {
        onUnreadable(path, error);
      }
    }
  }

  get all(): ReadonlyMap<string, Begun> {
    return this.#all;
  }

  put(begun: Begun): void {
    const text = JSON.stringify(begun, (_, value: unknown) =>
      typeof value === 'bigint' ? value.toString() : value,
    );
    const uid = uidOf(begun);
    // Every try writes the same: a disk that wears out is spared.
    if (this.#written.get(uid) === text) return;
    writeFileAtomic(this.#pathOf(uid), text, { mode: 0o600 });
    this.#written.set(uid, text);
    this.#all.set(uid, begun);
  }

  remove(uid: string): void {
    this.#written.delete(uid);
    if (this.#all.delete(uid)) unlinkIfExists(this.#pathOf(uid));
  }

  /** A uid is the API server's word, and yet no path. */
  #pathOf(uid: string): string {
    if (!/^[0-9A-Za-z-]{1,64}$/.test(uid)) throw new Error(`${JSON.stringify(uid)} is no uid`);
    return `${this.#directory}/${uid}.json`;
  }
}

/** @throws Error for what is no journal's */
function parse(text: string): Begun {
  const begun = JSON.parse(text) as Begun;
  const { claim, storageClass, request } = begun;
  const { uid, name, namespace } = claim.metadata;
  for (const value of [uid, name, namespace, storageClass.provisioner, request.name])
    if (typeof value !== 'string' || value === '') throw new Error('a field is missing');
  const { requiredBytes = 0n } = request.capacityRange ?? {};
  return { ...begun, request: { ...request, capacityRange: { requiredBytes: BigInt(requiredBytes) } } };
}
