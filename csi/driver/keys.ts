/** What a call works on, so that no two calls work on the same at once. Pure. */

/** The fields of requests that name a volume, a snapshot or a group. */
interface Naming {
  readonly volumeId?: string;
  readonly sourceVolumeId?: string;
  readonly sourceVolumeIds?: readonly string[];
  readonly snapshotId?: string;
  readonly snapshotIds?: readonly string[];
  readonly groupSnapshotId?: string;
  /** Of what is to be made. */
  readonly name?: string;
  readonly volumeContentSource?: {
    readonly snapshot?: { readonly snapshotId: string };
    readonly volume?: { readonly volumeId: string };
  };
  readonly maxEntries?: number;
}

/**
 * One key a thing. A volume to be made is known by its name, and what it is made from is held as well, so that it does not go
 * meanwhile. Lists hold nothing.
 */
export function keysOf(request: object): readonly string[] {
  const naming = request as Naming;
  if (naming.maxEntries !== undefined) return [];
  const source = naming.volumeContentSource;
  const volumes = [
    naming.volumeId,
    naming.sourceVolumeId,
    ...(naming.sourceVolumeIds ?? []),
    source?.volume?.volumeId,
  ];
  const snapshots = [naming.snapshotId, ...(naming.snapshotIds ?? []), source?.snapshot?.snapshotId];
  return [
    ...volumes.flatMap((id) => (id ? [`volume ${id}`] : [])),
    ...snapshots.flatMap((id) => (id ? [`snapshot ${id}`] : [])),
    ...(naming.groupSnapshotId ? [`group ${naming.groupSnapshotId}`] : []),
    ...(naming.name ? [`name ${naming.name}`] : []),
  ];
}
