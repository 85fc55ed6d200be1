import { expect, test } from 'vitest';
import { parseCidr } from '../../../../shared/ip/cidr.ts';
import {
  type CommandResult,
  findPrograms,
  type IptablesVariant,
  listChain,
} from '../../../../shared/iptables/programs.ts';
import { silentLogger } from '../../../../shared/log/logger.ts';
import { Transaction } from '../../../../shared/nftables/transaction.ts';
import { FakeKernel } from '../../kernel/fake-kernel.ts';
import type { RuleSettings } from '../own-table.ts';
import { IptablesRules } from './iptables-rules.ts';
import { ownVariant } from './own-variant.ts';

const cidr = (text: string): NonNullable<ReturnType<typeof parseCidr>> => parseCidr(text)!;
const settings: RuleSettings = {
  networks: [{ cluster: cidr('10.244.0.0/16'), node: cidr('10.244.3.0/24') }],
  ipMasq: true,
  fullyRandom: true,
  forward: true,
};

const LOCKED = {
  code: 4,
  stderr: 'Another app is currently holding the xtables lock. Stopped waiting after 5s.',
};
const NO_TABLE = {
  code: 3,
  stderr:
    "iptables v1.8.9 (legacy): can't initialize iptables table `nat': Table does not exist (do you need to insmod?)",
};
const NOT_ALLOWED = {
  code: 3,
  stderr:
    "iptables v1.8.9 (legacy): can't initialize iptables table `nat': Permission denied (you must be root)",
};
const NO_CHAIN = { code: 1, stderr: 'iptables: No chain/target/match by that name.' };
const INCOMPATIBLE = {
  code: 1,
  stderr:
    "iptables v1.8.9 (nf_tables): chain `FLANNEL-POSTRTG' in table `nat' is incompatible, use 'nft' tool.",
};

/** A node with flanneld's chains, whose program answers like this when it is to list one. */
function nodeOf(
  variant: IptablesVariant,
  listing: Partial<CommandResult>,
): { kernel: FakeKernel; ran: string[] } {
  const kernel = new FakeKernel();
  const ran: string[] = [];
  const program = `iptables-${variant}`;
  kernel.programs.set(program, (argv) => {
    ran.push(argv.slice(1).join(' '));
    return argv.includes('-S') ? listing : {};
  });
  kernel.programs.set(`${program}-restore`, (argv) => {
    ran.push(argv.join(' '));
    return {};
  });
  kernel.programs.set(`${program}-save`, () => ({ stdout: '*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n' }));
  if (variant === 'nft') {
    const nat = { family: 'ip', name: 'nat' } as const;
    kernel.nftables.run(
      new Transaction()
        .add({ kind: 'table', ...nat })
        .add({ kind: 'chain', family: 'ip', table: 'nat', name: 'FLANNEL-POSTRTG' }),
    );
  } else {
    kernel.legacy.set(4, 'rules');
  }
  return { kernel, ran };
}

const listed = async (variant: IptablesVariant, listing: Partial<CommandResult>) => {
  const { kernel } = nodeOf(variant, listing);
  const programs = await findPrograms(kernel, variant, 4);
  if (!programs) throw new Error('no programs');
  return await listChain(kernel, programs, 'nat', 'FLANNEL-POSTRTG');
};

test.each([
  ['nft', LOCKED],
  ['nft', INCOMPATIBLE],
  ['legacy', LOCKED],
  ['legacy', NOT_ALLOWED],
  ['legacy', { code: 137, stderr: '' }],
  ['legacy', { code: 2, stderr: 'unknown option "--wait"' }],
] as const)(
  'iptables (%s) that cannot list a chain is a failure, and nothing is written: %j',
  async (variant, result) => {
    await expect(listed(variant, result)).rejects.toThrow(`iptables-${variant} ended with ${result.code}`);
    const { kernel, ran } = nodeOf(variant, result);
    const rules = new IptablesRules({ kernel, log: silentLogger, allowRepair: () => true });
    await expect(rules.sync(settings)).rejects.toThrow(`ended with ${result.code}: ${result.stderr}`);
    expect(ran.filter((line) => line.includes('restore'))).toEqual([]);
  },
);

test.each([NO_CHAIN, NO_TABLE])('legacy iptables that ends with %j has no such chain', async (result) => {
  expect(await listed('legacy', result)).toBeUndefined();
});

test('over nf_tables the kernel itself says whether there is a chain', async () => {
  const { kernel, ran } = nodeOf('nft', INCOMPATIBLE);
  const programs = await findPrograms(kernel, 'nft', 4);
  ran.length = 0;
  expect(programs && (await listChain(kernel, programs, 'nat', 'POSTROUTING'))).toBeUndefined();
  expect(programs && (await listChain(kernel, programs, 'mangle', 'POSTROUTING'))).toBeUndefined();
  expect(ran).toEqual([]);
});

test('a program that is killed is not one that is missing', async () => {
  const kernel = new FakeKernel();
  kernel.programs.set('iptables', () => ({ code: 137 }));
  await expect(ownVariant(kernel)).rejects.toThrow('iptables ended with 137');
});
