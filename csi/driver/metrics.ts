/** What a driver counts, under the names that csi-lib-utils gives the calls of every driver. */

import type { CodeName } from '../../shared/grpc/error.ts';
import { Metrics } from '../../shared/metrics/metrics.ts';

/** Upper bounds in seconds: csi-lib-utils, metrics.NewCSIMetricsManager. */
const BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 25, 50, 120, 300, 600];
/** Below them: its buckets begin where ours end. */
const FINE = [0.005, 0.01, 0.025, 0.05];

export class DriverMetrics {
  /** Under the program's own prefix, for what the driver itself adds. */
  readonly own: Metrics;
  readonly #calls: (method: string, code: CodeName, seconds: number) => void;
  readonly #plugin = new Metrics('csi_plugin_');

  /** @param prefix `underpod_csi_local_` */
  constructor(driver: string, prefix: string) {
    this.own = new Metrics(prefix);
    const labels = ['driver_name', 'method_name', 'grpc_status_code'] as const;
    const histogram = this.#plugin.histogram(
      'operations_seconds',
      'Container Storage Interface operation duration with gRPC error code status total',
      [...FINE, ...BUCKETS],
      labels,
    );
    this.#calls = (method, code, seconds) =>
      histogram.observe(
        { driver_name: driver, method_name: method, grpc_status_code: statusName(code) },
        seconds,
      );
  }

  /** A call ended. @param method its path */
  called(method: string, code: CodeName, seconds: number): void {
    this.#calls(method, code, seconds);
  }

  /** The text exposition. */
  async expose(): Promise<string> {
    return (await this.#plugin.expose()) + (await this.own.expose());
  }
}

/** Go's name of a code (google.golang.org/grpc/codes): `OK`, `NotFound`. */
function statusName(code: CodeName): string {
  if (code === 'OK') return code;
  return code
    .toLowerCase()
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}
