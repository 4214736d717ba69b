// Starts a thread of a checkout: a thread does not inherit the main thread's tsx, which reads TypeScript.
import { workerData } from 'node:worker_threads'
import { register } from 'tsx/esm/api'

register()
await import(workerData.entry)
