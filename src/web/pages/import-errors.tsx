/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { commandFor } from '../../command-for.ts'
import { beginning, SHOWN } from '../excerpt.ts'
import { Notice } from '../parts.tsx'
import type { Site } from '../site.ts'

const MOST = 20

/** Lists the folders whose dag could not be loaded, with the reason. */
export function ImportErrors({ site: { importErrors, scrub } }: { site: Site }) {
  return (
    <>
      {importErrors.slice(0, MOST).map(({ folder, message }) => (
        <Notice kind="bad">
          <strong>{folder}</strong> could not be loaded: {beginning(message, SHOWN.sentence, scrub)}
        </Notice>
      ))}
      {importErrors.length > MOST && (
        <Notice kind="bad">
          {importErrors.length - MOST} more folders could not be loaded: <code>{commandFor('dags list')}</code>
        </Notice>
      )}
    </>
  )
}

/** The reason why the folder of a dag could not be loaded. Undefined if there is no such folder, or it was loaded. */
export function importErrorOf({ importErrors }: Site, dagId: string): string | undefined {
  return importErrors.find(({ folder }) => folder === dagId)?.message
}
