/** Paths of pages; every part is URL-encoded. */
export const paths = {
  dag: (dagId: string, tab = '') => `/dags/${encodeURIComponent(dagId)}${tab && `/${tab}`}`,
  run: (dagId: string, runId: string, tab = '') =>
    `${paths.dag(dagId)}/runs/${encodeURIComponent(runId)}${tab && `/${tab}`}`,
  task: (dagId: string, runId: string, taskId: string, tryNumber?: number) =>
    `${paths.run(dagId, runId)}/tasks/${encodeURIComponent(taskId)}${tryNumber === undefined ? '' : `?try=${tryNumber}`}`,
}
