/**
 * PATH as it was before `bun --bun` put a directory in front in which `node` is Bun. For children that need the real
 * Node, as npm does.
 */
export function outsidePath(): string {
  return (process.env['PATH'] ?? '')
    .split(':')
    .filter((directory) => !/\/bun-node-[^/]*$/.test(directory))
    .join(':');
}
