/**
 * The messages between the parent, which watches the files, and its child processes, which do the work. A new child goes
 * through these steps: it has loaded the dags, the parent accepts them, it has opened its parts, the child before it gives
 * the port up, it takes over, it runs.
 */
export type FromChild =
  | { step: 'loaded'; code: LoadedCode }
  | { step: 'opened' }
  /** It has closed its port and finishes its running tasks. */
  | { step: 'yielded' }
  /** `port`: undefined if it has none. */
  | { step: 'runs'; port: number | undefined }

export type FromParent =
  | { step: 'accepted' }
  /** A new child has opened its parts. */
  | { step: 'yield' }
  /** `port`: the one of the child before it; undefined for the first child. */
  | { step: 'takeOver'; port: number | undefined }
  /** The changed code could not be loaded. */
  | { step: 'kept'; reason: string }

/** What a child has loaded. */
export interface LoadedCode {
  /** The folder of each dag. */
  dags: [dagId: string, folder: string][]
  importErrors: { folder: string; message: string; dagId: string | undefined }[]
}

/**
 * Says why the new code must not replace the old: a dag that the old has could not be loaded. A dag that was removed is no
 * reason, nor is one that the old could not load either.
 */
export function whyNotAccepted(old: LoadedCode, next: LoadedCode): string | undefined {
  const loaded = new Set(next.dags.map(([dagId]) => dagId))
  const missing = old.dags.filter(([dagId]) => !loaded.has(dagId))
  const errors = next.importErrors.filter((error) =>
    missing.some(([dagId, folder]) => error.dagId === dagId || error.folder === folder),
  )
  if (errors.length === 0) return undefined
  return errors.map(({ folder, message }) => `${folder} could not be loaded: ${message}`).join('; ')
}
