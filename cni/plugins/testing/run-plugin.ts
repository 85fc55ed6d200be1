/** A plugin as a process of its own: `bun run-plugin.ts <type>`. */

import { main } from '../main.ts';

process.exitCode = await main(process.argv[2] ?? '');
