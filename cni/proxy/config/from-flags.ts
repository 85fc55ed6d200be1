/** A configuration made of flags, for who runs the proxy without a file, as k3s does. Pure. */

import type { Settings } from '../../../shared/config/settings.ts';
import { type Configuration, HEALTHZ_PORT, METRICS_PORT, withDefaults, withPort } from './configuration.ts';
import { CONFIGURATION_FLAGS } from './flags.ts';

/** kube-proxy's rules for what its flags mean (cmd/kube-proxy/app/options.go). */
export function configurationOf(settings: Settings): Configuration {
  const base = withDefaults({});
  const mode = settings.string('proxy-mode');
  const periods = (flags: 'iptables' | 'ipvs') => ({
    syncPeriod: settings.duration(`${flags}-sync-period`),
    minSyncPeriod: settings.duration(`${flags}-min-sync-period`),
  });
  const masqueradeAll = settings.boolean('masquerade-all');
  const iptables = {
    ...base.iptables,
    ...periods('iptables'),
    masqueradeBit: settings.integer('iptables-masquerade-bit'),
    masqueradeAll,
    localhostNodePorts: settings.boolean('iptables-localhost-nodeports'),
  };
  return {
    ...base,
    mode,
    featureGates: Object.fromEntries(
      settings
        .list('feature-gates')
        .flatMap((gates) => gates.split(','))
        .map((gate) => [gate.split('=')[0] ?? '', gate.split('=')[1] === 'true']),
    ),
    clientConnection: { ...base.clientConnection, kubeconfig: settings.string('kubeconfig') },
    bindAddress: settings.string('bind-address'),
    healthzBindAddress: bind(settings, 'healthz', HEALTHZ_PORT),
    metricsBindAddress: bind(settings, 'metrics', METRICS_PORT),
    iptables,
    // There are no flags of its own: kube-proxy gives it those of iptables, but for the bit.
    nftables: { ...base.nftables, ...periods('iptables'), masqueradeAll },
    ipvs: {
      ...base.ipvs,
      ...periods('ipvs'),
      scheduler: settings.string('ipvs-scheduler'),
      excludeCIDRs: split(settings.list('ipvs-exclude-cidrs')),
      strictARP: settings.boolean('ipvs-strict-arp'),
      tcpTimeout: settings.duration('ipvs-tcp-timeout'),
      tcpFinTimeout: settings.duration('ipvs-tcpfin-timeout'),
      udpTimeout: settings.duration('ipvs-udp-timeout'),
    },
    logging: { ...base.logging, verbosity: settings.integer('v') },
    detectLocalMode: settings.string('detect-local-mode') || base.detectLocalMode,
    detectLocal: {
      bridgeInterface: settings.string('pod-bridge-interface'),
      interfaceNamePrefix: settings.string('pod-interface-name-prefix'),
    },
    clusterCIDR: settings.string('cluster-cidr'),
    nodePortAddresses: split(settings.list('nodeport-addresses')),
    oomScoreAdj: settings.integer('oom-score-adj'),
    conntrack: {
      maxPerCore: settings.integer('conntrack-max-per-core'),
      min: settings.integer('conntrack-min'),
      tcpEstablishedTimeout: settings.duration('conntrack-tcp-timeout-established'),
      tcpCloseWaitTimeout: settings.duration('conntrack-tcp-timeout-close-wait'),
      tcpBeLiberal: settings.boolean('conntrack-tcp-be-liberal'),
      udpTimeout: settings.duration('conntrack-udp-timeout'),
      udpStreamTimeout: settings.duration('conntrack-udp-timeout-stream'),
    },
  };
}

/** Flags that were given and that a file takes the place of. */
export function replacedFlags(settings: Settings): string[] {
  return CONFIGURATION_FLAGS.map(({ name }) => name).filter((name) => settings.source(name) !== 'default');
}

/** The deprecated port wins only by 0, which switches off, and where the address has none. */
function bind(settings: Settings, which: 'healthz' | 'metrics', port: number): string {
  const flag = settings.integer(`${which}-port`);
  const address = settings.string(`${which}-bind-address`);
  if (flag === 0 || address === '') return '';
  return withPort(address, settings.source(`${which}-port`) === 'default' ? port : flag);
}

function split(values: readonly string[]): string[] {
  return values
    .flatMap((value) => value.split(','))
    .map((value) => value.trim())
    .filter(Boolean);
}
