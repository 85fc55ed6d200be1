/** What the proxy's socket tells. Read one release back and forth: fields are added, never changed. */

export interface ProxyStatus {
  readonly apiVersion: 1;
  readonly program: 'proxy';
  readonly version: string;
  readonly pid: number;
  readonly node: string;
  /** ISO 8601. */
  readonly startedAt: string;
  /** The services have been programmed from their source, and nothing is late. */
  readonly ready: boolean;
  /** Why not, or what is wrong now. */
  readonly problems: readonly string[];
  readonly mode: string;
  /** Programmed from this node's disk, since the source has not told anything yet. */
  readonly restored: boolean;
  readonly services: number;
  readonly families: readonly FamilyStatus[];
  readonly lastSync?: { readonly at: string; readonly durationMs: number; readonly changes: number };
  /** What others changed and was put right, since the start. */
  readonly repairs: number;
  /** How pods' traffic is told from other traffic, for people. */
  readonly localTraffic: string;
  readonly nodePorts: string;
  readonly healthz?: ServerStatus;
  readonly metrics?: ServerStatus;
  /** Services with a health-check port. */
  readonly healthChecks: number;
  readonly source: {
    readonly type: string;
    readonly why: string;
    readonly location: string;
    readonly connected: boolean;
    readonly error?: string;
  };
  /** Keys of the configuration file that nobody reads. */
  readonly unknownKeys: readonly string[];
}

export interface FamilyStatus {
  readonly family: 'IPv4' | 'IPv6';
  readonly ports: number;
  readonly pending: number;
  /** What the kernel did not take. */
  readonly refused: readonly { readonly name: string; readonly why: string }[];
}

export interface ServerStatus {
  readonly address: string;
  /** False while the port is taken. */
  readonly listens: boolean;
}

/** `/v1/services/NAMESPACE/NAME`. */
export interface ServiceStatus {
  readonly apiVersion: 1;
  readonly service: string;
  readonly ports: readonly ServicePortStatus[];
  /** What is said of the Service as a whole: not there, another proxy's, headless. */
  readonly notes: readonly string[];
}

export interface ServicePortStatus {
  readonly name: string;
  readonly family: 'IPv4' | 'IPv6';
  readonly protocol: string;
  /** Seconds that a client stays with its endpoint. */
  readonly affinity?: number;
  readonly sourceRanges?: readonly string[];
  readonly frontends: readonly {
    /** `10.96.0.10:80`, or `node port 30080`. */
    readonly at: string;
    readonly kind: string;
    /** What becomes of a packet. */
    readonly does: string;
  }[];
  readonly endpoints: readonly {
    readonly at: string;
    readonly local: boolean;
    readonly node?: string;
    readonly zone?: string;
    readonly state?: string;
    /** Why it is left out; absent: it is used. */
    readonly leftOut?: string;
  }[];
  /** What the kernel holds for it. */
  readonly kernel: readonly string[];
  /** Where the kernel, the model and the source disagree. */
  readonly problems: readonly string[];
}
