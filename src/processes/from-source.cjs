// Starts a thread of a checkout: a thread does not inherit the main thread's tsx, which reads TypeScript. As CommonJS,
// because tsx then needs no additional thread.
const { workerData } = require('node:worker_threads')
require('tsx/cjs/api').register()

require(workerData.entry)
