import { describe, expect, test } from 'vitest';
import { parseCidr } from '../../../../shared/ip/cidr.ts';
import {
  type IptablesPlan,
  isOwnChainRight,
  OWN_CHAIN,
  parseIptablesSave,
  planIptables,
} from './iptables-text.ts';

const networks = [parseCidr('10.244.0.0/16')!];
const jump = `-m comment --comment "underpod agent: forward pods" -j ${OWN_CHAIN}`;

function planText(text: string): IptablesPlan {
  const table = parseIptablesSave(text);
  return planIptables((name) => table.get(name), networks, isOwnChainRight(table, networks));
}

/** The commands for a filter table of these lines, without the frame and the agent's own chain. */
function plan(...lines: string[]): string[] {
  const { input } = planText(['*filter', ...lines, 'COMMIT', ''].join('\n'));
  const commands =
    input?.split('\n').filter((line) => line !== '' && !/^(\*filter|COMMIT)$/.test(line)) ?? [];
  return commands.filter((line) => !line.startsWith(`:${OWN_CHAIN}`) && !line.startsWith(`-A ${OWN_CHAIN}`));
}

const own = [
  `:${OWN_CHAIN} - [0:0]`,
  `-A ${OWN_CHAIN} -s 10.244.0.0/16 -j ACCEPT`,
  `-A ${OWN_CHAIN} -d 10.244.0.0/16 -j ACCEPT`,
];

describe('where the accept goes', () => {
  test.each<[string, string[], string[]]>([
    ['nothing drops', [':FORWARD ACCEPT [0:0]', '-A FORWARD -s 10.9.0.0/16 -j DROP'], []],
    ['the policy drops', [':FORWARD DROP [0:0]'], [`-I FORWARD 1 ${jump}`]],
    [
      'the policy drops after rules',
      [':FORWARD DROP [0:0]', '-A FORWARD -s 10.9.0.0/16 -j DROP'],
      [`-I FORWARD 2 ${jump}`],
    ],
    [
      'a final reject as on RHEL',
      [
        ':FORWARD ACCEPT [0:0]',
        '-A FORWARD -m state --state RELATED -j ACCEPT',
        '-A FORWARD -j REJECT --reject-with icmp-host-prohibited',
      ],
      [`-I FORWARD 2 ${jump}`],
    ],
    [
      'a reject in a chain that is called for all, as with ufw',
      [
        ':FORWARD ACCEPT [0:0]',
        ':ufw-reject-forward - [0:0]',
        '-A FORWARD -j ufw-reject-forward',
        '-A ufw-reject-forward -j REJECT',
      ],
      [`-I FORWARD 1 ${jump}`],
    ],
    [
      'Docker: policy drop, drops of its own bridge do not count',
      [
        ':FORWARD DROP [0:0]',
        ':DOCKER - [0:0]',
        ':DOCKER-USER - [0:0]',
        '-A FORWARD -j DOCKER-USER',
        '-A FORWARD -o docker0 -j DOCKER',
        '-A FORWARD -i docker0 ! -o docker0 -j ACCEPT',
        '-A DOCKER ! -i docker0 -o docker0 -j DROP',
        '-A DOCKER-USER -j RETURN',
      ],
      [`-I FORWARD 4 ${jump}`],
    ],
    [
      'a drop of outside traffic in DOCKER-USER',
      [
        ':FORWARD ACCEPT [0:0]',
        ':DOCKER-USER - [0:0]',
        '-A FORWARD -j DOCKER-USER',
        '-A DOCKER-USER -i eth0 -j DROP',
        '-A DOCKER-USER -j RETURN',
      ],
      [`-I DOCKER-USER 1 ${jump}`],
    ],
    [
      "behind a policy engine's chain",
      [
        ':FORWARD DROP [0:0]',
        ':KUBE-ROUTER-FORWARD - [0:0]',
        '-A FORWARD -j KUBE-ROUTER-FORWARD',
        '-A KUBE-ROUTER-FORWARD -s 10.244.1.5/32 -j DROP',
      ],
      [`-I FORWARD 2 ${jump}`],
    ],
    [
      'everything is accepted before',
      [':FORWARD DROP [0:0]', '-A FORWARD -j ACCEPT', '-A FORWARD -j DROP'],
      [],
    ],
    ['it stands right', [':FORWARD DROP [0:0]', ...own, `-A FORWARD ${jump}`], []],
    [
      'it stands behind a drop that came later',
      [':FORWARD DROP [0:0]', ...own, '-A FORWARD -j DROP', `-A FORWARD ${jump}`],
      ['-D FORWARD 2', `-I FORWARD 1 ${jump}`],
    ],
    [
      'it stands twice',
      [
        ':FORWARD DROP [0:0]',
        ...own,
        `-A FORWARD ${jump}`,
        '-A FORWARD -s 10.9.0.0/16 -j DROP',
        `-A FORWARD ${jump}`,
      ],
      ['-D FORWARD 3', '-D FORWARD 1', `-I FORWARD 2 ${jump}`],
    ],
  ])('%s', (_what, lines, expected) => {
    expect(plan(...lines)).toEqual(expected);
  });

  test("the agent's own chain is written anew when its rules are not right", () => {
    const text = ['*filter', ':FORWARD DROP [0:0]', ...own.slice(0, 2), `-A FORWARD ${jump}`, 'COMMIT'].join(
      '\n',
    );
    expect(planText(text).input).toBe(
      `*filter\n:${OWN_CHAIN} - [0:0]\n-A ${OWN_CHAIN} -s 10.244.0.0/16 -j ACCEPT\n-A ${OWN_CHAIN} -d 10.244.0.0/16 -j ACCEPT\nCOMMIT\n`,
    );
  });

  test('other tables of the same text do not count; chains that decide are named', () => {
    const text =
      '*raw\n:FORWARD DROP [0:0]\nCOMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n:x - [0:0]\n-A FORWARD -j x\nCOMMIT\n';
    expect(planText(text)).toEqual({
      input: undefined,
      lookedAt: [OWN_CHAIN, 'FORWARD', 'x'],
    });
  });

  test.each([
    ['-i eth0 -j DROP', 'interfaces'],
    ['! -i lo -j DROP', 'interfaces'],
    ['-i virbr0 -j REJECT', 'some'],
    ['-m comment --comment "a b" -j DROP', 'all'],
    ['-p tcp -j DROP', 'some'],
    ['-m conntrack --ctstate INVALID -j DROP', 'some'],
    ['-j REJECT --reject-with tcp-reset', 'all'],
  ])('%s is for %s', (text, scope) => {
    const chain = parseIptablesSave(`*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD ${text}\n`).get('FORWARD');
    expect(chain?.rules[0]).toMatchObject({ effect: 'drop', scope });
  });
});
