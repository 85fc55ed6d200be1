/** The local driver on a directory of its own, with some volumes; as new before every request that matters. */

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { AccessModeMode, ControllerCalls, GroupControllerCalls } from '#messages/csi';
import { GuardedCalls } from '../../../csi/driver/calls.ts';
import { localDriver } from '../../../csi/local/driver.ts';
import { isId } from '../../../csi/local/ids.ts';
import { Jobs } from '../../../csi/local/jobs.ts';
import { UseRecords } from '../../../csi/local/node/use-records.ts';
import type { LocalParts } from '../../../csi/local/parts.ts';
import { Pool } from '../../../csi/local/pool/pool.ts';
import { decode } from '../../../shared/grpc/wire/decode.ts';
import { encode } from '../../../shared/grpc/wire/encode.ts';
import type { Init, UnaryMethod } from '../../../shared/grpc/wire/schema.ts';
import { silentLogger } from '../../../shared/log/logger.ts';
import { must } from '../target.ts';
import { FakeBackend } from './fake-backend.ts';

export class Sandbox implements Disposable {
  readonly #root: string;
  readonly #backend = new FakeBackend();
  calls!: GuardedCalls;

  constructor() {
    // In memory where there is such a place: nothing of it is to be kept.
    this.#root = mkdtempSync(`${existsSync('/dev/shm') ? '/dev/shm' : tmpdir()}/underpod-fuzz-`);
  }

  /** Where a kubelet's paths are. */
  get kubelet(): string {
    return `${this.#root}/base/kubelet`;
  }

  async renew(): Promise<void> {
    const base = `${this.#root}/base`;
    rmSync(this.#root, { recursive: true, force: true });
    for (const name of ['kubelet', 'pool']) mkdirSync(`${base}/${name}`, { recursive: true });
    for (const name of [`${this.#root}/x.json`, `${base}/x.json`]) writeFileSync(name, '{}');
    const pool = Pool.open({
      name: 'default',
      directory: `${base}/pool`,
      reserve: 0.05,
      taken: () => 0,
      onTrouble: () => undefined,
    });
    const parts: LocalParts = {
      node: 'node-1',
      pools: new Map([['default', pool]]),
      backends: new Map([['loop', this.#backend]]),
      uses: UseRecords.open(`${base}/state/uses`, () => false),
      jobs: new Jobs(),
      log: silentLogger,
      now: () => 1,
    };
    this.calls = new GuardedCalls(localDriver(parts, '0'), { log: silentLogger });
    await this.#fill();
  }

  async #fill(): Promise<void> {
    const accessMode = { mode: AccessModeMode.SINGLE_NODE_WRITER };
    const capacityRange = { requiredBytes: 1n << 20n };
    for (const [name, access] of [
      ['pvc-1', { mount: {} }],
      ['pvc-2', { block: {} }],
    ] as const)
      await this.call('createVolume', ControllerCalls.createVolume, {
        name,
        capacityRange,
        volumeCapabilities: [{ accessMode, ...access }],
      });
    await this.call('createSnapshot', ControllerCalls.createSnapshot, {
      name: 'snap-1',
      sourceVolumeId: 'pvc-1',
    });
    await this.call('createVolumeGroupSnapshot', GroupControllerCalls.createVolumeGroupSnapshot, {
      name: 'group-1',
      sourceVolumeIds: ['pvc-1', 'pvc-2'],
    });
  }

  call<Request extends object, Response extends object>(
    name: string,
    method: UnaryMethod<Request, Response>,
    init: Init<NoInfer<Request>>,
  ): Promise<unknown> {
    const request = decode(method.request, encode(method.request, init));
    return this.calls.run(name, method, request, new AbortController().signal);
  }

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true, force: true });
  }

  /** Whatever was asked for, nothing is where it should not be. */
  check(): void {
    const names = (path: string): string => readdirSync(`${this.#root}${path}`).sort().join(' ');
    must(names('') === 'base x.json', 'nothing is made or removed outside of the driver');
    must(names('/base') === 'kubelet pool state x.json', 'nothing is made or removed beside the pool');
    must(names('/base/pool') === 'snapshots volumes', 'a pool holds volumes and snapshots');
    for (const shelf of ['volumes', 'snapshots'])
      for (const id of readdirSync(`${this.#root}/base/pool/${shelf}`)) must(isId(id), `"${id}" is an id`);
    for (const name of readdirSync(`${this.#root}/base/state/uses`))
      must(isId(name.replace(/\.json$/, '')), `"${name}" is of a volume`);
  }
}
