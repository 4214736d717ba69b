// The command in a checkout: TypeScript is read by tsx. `node --import tsx` would end in "bad option" on an old Node.
require('./check-node.cjs')

import('tsx').then(() => import('./main.ts'))
