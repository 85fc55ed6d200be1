/** The proxy's loop on a fake API server and a fake kernel. */

import { TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { parseArguments } from '../../../shared/config/flags.ts';
import { type Clock, systemClock } from '../../../shared/daemon/clock.ts';
import { systemClock as kubeClock } from '../../../shared/kube/clock.ts';
import { FakeApiServer } from '../../../shared/kube/testing/fake-api-server.ts';
import { clientOf } from '../../../shared/kube/testing/fake-client.ts';
import { silentLogger } from '../../../shared/log/logger.ts';
import { PROXY_FLAGS } from '../config/flags.ts';
import { loadOptions } from '../config/load.ts';
import type { EventSink } from '../events/recorder.ts';
import { ServiceCatalogue } from '../service-catalogue.ts';
import { ServiceProxy } from '../service-proxy.ts';
import { KubernetesSource } from '../sources/kubernetes.ts';
import { ProgrammedModes } from '../state/programmed-modes.ts';
import { TestApi } from './api.ts';
import { FakeKernel } from './fake-mode.ts';

export interface Started {
  readonly proxy: ServiceProxy;
  /** Families of which stale flows were looked for. */
  readonly flows: readonly string[];
  stop(): Promise<void>;
}

export class Bench implements AsyncDisposable {
  readonly api: TestApi;
  readonly kernel: FakeKernel = new FakeKernel();
  readonly directory: string;
  hasIpv6 = true;
  readonly #stack = new AsyncDisposableStack();

  constructor() {
    this.api = new TestApi(this.#stack.use(new FakeApiServer()));
    this.directory = this.#stack.use(new TemporaryDirectory()).path;
  }

  start(flags: readonly string[] = [], clock: Clock = systemClock, events?: EventSink): Started {
    const { kernel, api, directory } = this;
    const args = [
      '--hostname-override=n1',
      '--cluster-cidr=10.244.0.0/16',
      `--state-dir=${directory}`,
      ...flags,
    ];
    const { options } = loadOptions(parseArguments(args, PROXY_FLAGS), {
      environment: {},
      hostName: 'n1',
      section: {},
    });
    const flows: string[] = [];
    const proxy = new ServiceProxy({
      options,
      clock,
      log: silentLogger,
      catalogue: new ServiceCatalogue(options),
      kit: kernel,
      programmed: new ProgrammedModes(directory, silentLogger),
      source: (events, project) =>
        new KubernetesSource({
          client: clientOf(api.server),
          clock: kubeClock,
          log: silentLogger,
          node: 'n1',
          project,
          events,
        }),
      deleteStaleFlows: ({ family }) => {
        flows.push(`v${family}`);
        return 1;
      },
      hasFamily: (family) => family === 4 || this.hasIpv6,
      localAddresses: () => [],
      cache: { path: `${directory}/services`, boot: kernel.boot },
      version: '0',
      ...(events && { events }),
    });
    const end = new AbortController();
    const run = proxy.run(end.signal);
    const stop = async (): Promise<void> => {
      end.abort();
      await run;
    };
    this.#stack.defer(stop);
    return { proxy, stop, flows };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
