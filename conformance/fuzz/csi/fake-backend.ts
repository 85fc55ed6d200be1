/** A backend that mounts nothing and needs no rights: a volume is a file in its place. */

import { existsSync, rmSync, writeFileSync } from 'node:fs';
import type { Backend, Features, Shape, Usage } from '../../../csi/local/backends/backend.ts';
import { errnoNumber, SyscallError } from '../../../shared/sys/errno.ts';

export class FakeBackend implements Backend {
  readonly name = 'loop';
  readonly features: Features = {
    block: true,
    enforcesSize: true,
    snapshots: true,
    ownFileSystem: true,
    minimum: () => 4096,
  };

  async check(): Promise<undefined> {
    return undefined;
  }

  async create(place: string, shape: Shape): Promise<void> {
    writeFileSync(`${place}/disk.img`, String(shape.size));
  }

  async copy(place: string, shape: Shape, source: { readonly place: string }): Promise<void> {
    if (!existsSync(`${source.place}/disk.img`))
      throw new SyscallError('open', errnoNumber('ENOENT'), source.place);
    await this.create(place, shape);
  }

  async remove(place: string): Promise<void> {
    rmSync(`${place}/disk.img`, { force: true });
  }

  async expand(place: string, shape: Shape): Promise<void> {
    await this.create(place, shape);
  }

  async mount(): Promise<void> {
    // Nothing is mounted in the process that fuzzes.
  }

  async attach(): Promise<string> {
    return '/dev/null';
  }

  async growMounted(): Promise<void> {
    // It never is.
  }

  async detach(): Promise<void> {
    // Nor attached.
  }

  device(): undefined {
    return undefined;
  }

  async usage(): Promise<Usage> {
    const none = { totalBytes: 0, usedBytes: 0, availableBytes: 0 };
    return { ...none, totalInodes: 0, usedInodes: 0, availableInodes: 0 };
  }

  taken(_place: string, { size }: Shape): number {
    return size;
  }

  async condition(): Promise<undefined> {
    return undefined;
  }
}
