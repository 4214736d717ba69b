/** The pipeline's own verbs of the command line. */
export { demo } from './sample/demo.ts'
