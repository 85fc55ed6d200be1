/** A plugin as a process of its own: `bun run-plugin.ts <type>`. */

import { run } from '../processes/all.ts';

await run(process.argv[2] ?? '');
