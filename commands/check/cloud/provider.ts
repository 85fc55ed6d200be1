/** Whose machine this is, by what its firmware says (/sys/class/dmi/id). Pure. */

/** Files of /sys/class/dmi/id that everybody may read, trimmed; what is not there is left out. */
export type Dmi = Partial<Readonly<Record<DmiField, string>>>;

export const DMI_FIELDS = [
  'sys_vendor',
  'product_name',
  'product_version',
  'board_vendor',
  'board_name',
  'bios_vendor',
  'bios_version',
  'chassis_vendor',
  'chassis_asset_tag',
] as const;
export type DmiField = (typeof DMI_FIELDS)[number];

export type Provider =
  | 'alibaba'
  | 'aws'
  | 'azure'
  | 'digitalocean'
  | 'exoscale'
  | 'google'
  | 'hetzner'
  | 'hyperv'
  | 'kvm'
  | 'linode'
  | 'openstack'
  | 'oracle'
  | 'scaleway'
  | 'tencent'
  | 'upcloud'
  | 'virtualbox'
  | 'vmware'
  | 'vultr';

/** The tag that tells Azure's machines from other ones of Hyper-V (Azure documentation, and cloud-init's probe). */
const AZURE_TAG = '7783-7084-3265-9085-8269-3286-77';

/** In this order: clouds before what they are built of. Each pattern must match its field. */
const SIGNS: readonly (readonly [Provider, Partial<Record<DmiField, RegExp>>])[] = [
  ['aws', { sys_vendor: /^Amazon EC2$/ }],
  // The older, Xen kind.
  ['aws', { sys_vendor: /^Xen$/, bios_version: /amazon$/ }],
  ['google', { product_name: /^(Google Compute Engine|Google)$/ }],
  ['azure', { chassis_asset_tag: new RegExp(`^${AZURE_TAG}$`) }],
  ['oracle', { chassis_asset_tag: /^OracleCloud\.com$/ }],
  ['alibaba', { sys_vendor: /^Alibaba Cloud$/ }],
  ['tencent', { sys_vendor: /^Tencent Cloud$/ }],
  ['hetzner', { sys_vendor: /^Hetzner$/ }],
  ['digitalocean', { sys_vendor: /^DigitalOcean$/ }],
  ['vultr', { sys_vendor: /^Vultr$/ }],
  ['linode', { sys_vendor: /^(Linode|Akamai)/ }],
  ['scaleway', { sys_vendor: /^Scaleway$/ }],
  ['exoscale', { sys_vendor: /^Exoscale$/ }],
  ['upcloud', { sys_vendor: /^UpCloud$/ }],
  ['openstack', { product_name: /^OpenStack (Nova|Compute)$/ }],
  ['openstack', { chassis_asset_tag: /^(OpenStack|OpenTelekomCloud|HUAWEICLOUD)/ }],
  ['virtualbox', { product_name: /^VirtualBox$/ }],
  ['vmware', { sys_vendor: /^VMware/ }],
  ['hyperv', { sys_vendor: /^Microsoft Corporation$/, product_name: /^Virtual Machine$/ }],
  ['kvm', { sys_vendor: /^(QEMU|KVM)$/ }],
  ['kvm', { product_name: /^KVM/ }],
];

/** `undefined` for a machine of one's own, and where the firmware tells nothing. */
export function providerOf(dmi: Dmi): Provider | undefined {
  const fits = (signs: Partial<Record<DmiField, RegExp>>): boolean =>
    Object.entries(signs).every(([field, pattern]) => pattern.test(dmi[field as DmiField] ?? ''));
  return SIGNS.find(([, signs]) => fits(signs))?.[0];
}
