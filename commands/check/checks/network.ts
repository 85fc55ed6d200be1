/** Whether peers answer, and what may keep them from it: filters here, filters on the way, the provider. Pure. */

import { cloudAdvice, providerName } from '../cloud/advice.ts';
import { providerOf } from '../cloud/provider.ts';
import { type Facts, statusOf } from '../facts.ts';
import { type Finding, finder } from '../finding.ts';
import type { Traffic } from '../traffic.ts';

const peers = finder('peers');
const firewall = finder('firewall');
const cloud = finder('cloud');

/** So many are told one by one. */
const TOLD = 5;

export function checkNetwork(facts: Facts, traffic: Traffic): Finding[] {
  return [...published(facts), ...answers(facts, traffic), ...filters(facts), ...provider(facts, traffic)];
}

/** Nodes that published what cannot be used: a VtepMAC that another has, another VNI, … */
function published(facts: Facts): Finding[] {
  const skipped = statusOf(facts)?.peers.skipped ?? [];
  return some(skipped, ({ node, why }) => {
    const advice = why.includes('VtepMAC')
      ? 'two machines were cloned with the device: delete the device on one of them, its agent makes it anew'
      : 'set both nodes up alike: net-conf.json and the agent flags';
    return peers('error', `${node} cannot be reached: ${why}`, advice);
  });
}

function answers({ probes, tunnelInput }: Facts, traffic: Traffic): Finding[] {
  if (probes.length === 0 || traffic.kind === 'none') return [];
  const silent = probes.filter(({ small }) => !small);
  const narrow = probes.filter(({ small, full }) => small && !full);
  const found = [
    ...some(silent, ({ node, target, endpoint, outside }) =>
      outside && traffic.kind === 'plain'
        ? peers(
            'notice',
            `${node} answers at ${endpoint}, but not at ${target}`,
            "right as long as no pod has run there; else the network between the nodes drops packets with pods' addresses",
          )
        : outside
          ? peers(
              'error',
              `${node} answers at ${endpoint}, but not through the tunnel (${target})`,
              `${traffic.what} is blocked on the way or at ${node}, or the agent does not run there${localHint(tunnelInput)}`,
            )
          : peers(
              'error',
              `${node} answers neither through the tunnel (${target}) nor at ${endpoint}`,
              'the machine is down or cut off, or the way between the nodes is closed (some networks only drop ICMP)',
            ),
    ),
    ...some(narrow, ({ node }) =>
      peers(
        'error',
        `${node} answers small packets, and none as large as the tunnel's MTU`,
        'the way between the nodes carries less than the interface says: set the interface, or "MTU" in the backend, to what it carries',
      ),
    ),
  ];
  if (found.length > 0) return found;
  return [
    peers('ok', `${probes.length} answered within a second, with packets as large as the tunnel takes`),
  ];
}

function localHint(input: Facts['tunnelInput']): string {
  const dropping = input?.chains.find(({ verdict }) => verdict === 'dropped');
  return dropping ? `; on this node ${dropping.place} drops it` : '';
}

function filters(facts: Facts): Finding[] {
  const { forwardDrops, forwardProblem, tunnelInput, probes } = facts;
  const found = forwardDrops.map((place) =>
    firewall(
      'error',
      `${place} drops what pods forward`,
      'the agent puts an accept there while it runs; see its log',
    ),
  );
  if (forwardProblem !== undefined)
    found.push(firewall('warning', `the forward chains could not be looked at: ${forwardProblem}`));
  // Where a peer answers, its packets get in whatever the rules look like.
  const getsIn = probes.some(({ small }) => small);
  for (const { place, verdict } of getsIn ? [] : (tunnelInput?.chains ?? [])) {
    if (verdict === 'accepted' || !tunnelInput) continue;
    const advice = `accept ${tunnelInput.what} from the other nodes there`;
    found.push(
      verdict === 'dropped'
        ? firewall('error', `${place} drops ${tunnelInput.what} from other nodes`, advice)
        : firewall(
            'notice',
            `${place} may drop ${tunnelInput.what} from other nodes: its rules are beyond this check`,
            advice,
          ),
    );
  }
  if (found.length > 0) return found;
  return statusOf(facts) ? [firewall('ok', 'nothing here drops what pods or nodes send')] : [];
}

function provider(facts: Facts, traffic: Traffic): Finding[] {
  const name = providerOf(facts.dmi);
  if (!name) return [];
  const [underlay] = statusOf(facts)?.underlays ?? [];
  const all = cloudAdvice(name, { traffic, underlayMtu: underlay?.mtu, underlayAddress: underlay?.address });
  const works = facts.probes.length > 0 && facts.probes.every(({ small, full }) => small && full);
  // What may be is no news where everything answers.
  const told = works ? all.filter(({ kind }) => kind === 'certain') : all;
  if (told.length === 0) return [cloud('ok', `runs on ${providerName(name)}`)];
  const isTrouble = facts.probes.length > 0 && !works;
  return told.map(({ kind, message, advice }) =>
    cloud(kind === 'certain' ? 'error' : isTrouble ? 'warning' : 'notice', message, advice),
  );
}

/** The first few by name, the others by number. */
function some<T>(all: readonly T[], tell: (one: T) => Finding): Finding[] {
  const told = all.slice(0, TOLD).map(tell);
  const [first] = told;
  if (first && all.length > TOLD)
    told.push({
      ...first,
      message: `and ${all.length - TOLD} more nodes of the same kind: see --output=json and underpod status`,
    });
  return told;
}
