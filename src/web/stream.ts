import type { WebContext } from './site.ts'

/**
 * A body that is produced while the client reads it. An empty part ends the body. An error is logged and the connection
 * is closed, because the status has been sent already.
 */
export function streamOf(c: WebContext, part: () => Promise<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      try {
        const text = await part()
        if (text === '') controller.close()
        else controller.enqueue(encoder.encode(text))
      } catch (error) {
        c.var.site.log.error({ err: error, path: c.req.path }, 'an answer was cut off')
        c.env.outgoing.destroy()
        controller.close()
      }
    },
  })
}
