/** One life of the proxy: from a configuration until the next one, or the end. */

import { existsSync } from 'node:fs';
import { version } from '../../package.json' with { type: 'json' };
import { systemClock } from '../../shared/daemon/clock.ts';
import { serveSocket } from '../../shared/daemon/http.ts';
import { Listener, type ListenerOptions } from '../../shared/daemon/listener.ts';
import type { Logger } from '../../shared/log/logger.ts';
import { ProcessMetrics } from '../../shared/metrics/process.ts';
import { Rtnetlink } from '../../shared/netlink/rtnetlink.ts';
import { unmapExecutedCode } from '../../shared/sys/memory.ts';
import { sdNotify } from '../../shared/sys/sd-notify.ts';
import { readSysctl } from '../../shared/sys/sysctl.ts';
import { followFile } from './config/follow.ts';
import type { Loaded } from './config/load.ts';
import type { Bind } from './config/options.ts';
import { deleteStaleFlows } from './conntrack/clean-up.ts';
import { portRefused } from './events/events.ts';
import { removeKubeProxyRules } from './leftovers/kube-proxy.ts';
import { Removal } from './leftovers/removal.ts';
import { openKit, removeProgrammed } from './modes/registry.ts';
import { answerHealth, answerMetrics, answerSocket } from './serve/http.ts';
import { ServiceCatalogue } from './service-catalogue.ts';
import { ServiceProxy } from './service-proxy.ts';
import { openSource } from './sources/open.ts';
import { bootOf } from './state/boot.ts';
import { ProgrammedModes } from './state/programmed-modes.ts';

/** @returns what to go on with; `undefined`: the signal was aborted */
export async function runProxy(
  loaded: Loaded,
  load: () => Loaded,
  log: Logger,
  signal: AbortSignal,
): Promise<Loaded | undefined> {
  const { options, file } = loaded;
  const clock = systemClock;
  const end = new AbortController();
  const stop = (): void => end.abort();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  let next: Loaded | undefined;
  using stack = new DisposableStack();
  stack.defer(() => signal.removeEventListener('abort', stop));
  if (file !== undefined)
    stack.use(
      followFile(file.path, file.text, clock, () => {
        try {
          const changed = load();
          if (!next && Bun.deepEquals(changed.options, options)) return;
          next = changed;
          stop();
        } catch (error) {
          log.error('the configuration file has changed and is wrong: the one before stays', { error });
        }
      }),
    );
  const kit = stack.use(await openKit(options.mode, options, clock));
  if (options.mode === 'iptables' && !kit.packets)
    log.warn("the kernel lacks nfnetlink_acct: kube-proxy's counters of packets are not in the metrics");
  const source = stack.use(openSource(options, clock, log.child('source')));
  const programmed = new ProgrammedModes(options.stateDir, log);
  const others = stack.use(
    new Removal(clock, () =>
      removeProgrammed(programmed, ({ mode }) => mode !== options.mode, true, options, clock, log),
    ),
  );
  const theirs = stack.use(
    new Removal(clock, async () => {
      const keep = { keep: kit.iptables, keepIpvs: options.mode === 'ipvs' };
      return (await removeKubeProxyRules(log, keep)).failed;
    }),
  );
  let areTheirsGone = !options.removeKubeProxy;
  const removeTheirs = async (): Promise<void> => {
    if (areTheirsGone || !proxy.health.isSynced) return;
    // Who has the port is kube-proxy, still at work: it would write its rules again.
    if (options.healthz && !proxy.servers.healthz?.listens) {
      log.warn(
        "the port of healthz is taken: if it is kube-proxy's, its rules are removed when it has ended",
      );
      return;
    }
    areTheirsGone = true;
    await theirs.run();
  };
  const proxy: ServiceProxy = new ServiceProxy({
    options,
    clock,
    log,
    catalogue: new ServiceCatalogue(options),
    kit,
    programmed,
    source: source.make,
    deleteStaleFlows,
    hasFamily: (family) => family === 4 || hasIpv6(options.procSys),
    localAddresses: () => {
      using kernel = Rtnetlink.open();
      return kernel.addresses().map(({ address }) => address.ip);
    },
    cache: { path: `${options.stateDir}/proxy-services.jsonl`, boot: bootOf() },
    version,
    ...(source.events && { events: source.events }),
    moreMetrics: [new ProcessMetrics(), ...(source.metrics ? [source.metrics] : [])],
    onReady: () => {
      notify(log, 'READY=1');
      // Only now: another mode's rules have served until these were in. It may take long, and changes do not wait for it.
      void others.run().then(removeTheirs);
    },
    relax: () => {
      Bun.gc(true);
      unmapExecutedCode();
    },
  });
  const listen = (what: 'healthz' | 'metrics', bind: Bind, answer: ListenerOptions['answer']): Listener =>
    stack.use(
      new Listener({
        clock,
        log: log.child('http'),
        what,
        ...bind,
        answer,
        onRefused: (why) => source.events?.tell(portRefused(options.node, what, why)),
        // The listener itself is not in its place yet.
        onListen: () => queueMicrotask(() => void removeTheirs()),
      }),
    );
  if (options.healthz)
    proxy.servers.healthz = listen('healthz', options.healthz, (request) => answerHealth(proxy, request));
  if (options.metrics)
    proxy.servers.metrics = listen('metrics', options.metrics, (request) => answerMetrics(proxy, request));
  stack.use(serveSocket(options.runDir, 'proxy.sock', (request) => answerSocket(proxy, request)));
  await proxy.run(end.signal);
  // The next one's rules may be those that are being removed.
  await Promise.all([others.finish(), theirs.finish()]);
  return signal.aborted ? undefined : next;
}

/** As kube-proxy tells: the kernel has it, and it is not switched off. */
function hasIpv6(procSys: string): boolean {
  return existsSync('/proc/net/if_inet6') && readSysctl('net/ipv6/conf/all/disable_ipv6', procSys) !== '1';
}

/** Tells systemd, where it is there. */
export function notify(log: Logger, state: string): void {
  try {
    sdNotify(state);
  } catch (error) {
    log.warn('systemd cannot be told', { state, error });
  }
}
