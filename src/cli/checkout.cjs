// Starts the command in a checkout; tsx reads TypeScript. (An old Node refuses `node --import tsx` as a "bad option".)
require('./check-node.cjs')

import('tsx').then(() => import('./main.ts'))
