/** The default network configuration: the one type that does a node's whole chain in a call. */
export function conflistText(): string {
  const conflist = {
    cniVersion: '1.0.0',
    name: 'cbr0',
    plugins: [{ type: 'underpod', capabilities: { portMappings: true, bandwidth: true } }],
  };
  return `${JSON.stringify(conflist, null, 2)}\n`;
}
