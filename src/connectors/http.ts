/** Limits of one request. Times in milliseconds, sizes in bytes after decompression. */
export interface HttpOptions {
  headers?: Readonly<Record<string, string>>
  /** Until the connection stands. Default 10 s. */
  connectTimeoutMs?: number
  /** Until the headers, and between two pieces of the body. Default 30 s. */
  idleTimeoutMs?: number
  /** For all of it. Default 60 s. */
  timeoutMs?: number
  /** Default 64 MiB. */
  maxBytes?: number
  signal?: AbortSignal
}

export interface HttpResponse {
  status: number
  headers: Readonly<Record<string, string | string[] | undefined>>
  body: Buffer
}

/** Bounded HTTP requests, exactly one request a call, no redirects followed, no retries. */
export interface Http {
  /** Any complete answer, whatever its status. Throws TminusError where there is none. */
  get(url: string | URL, options?: HttpOptions): Promise<HttpResponse>
  /** The parsed body of a 2xx answer. Throws TminusError, saying what to do, for everything else. */
  getJson(url: string | URL, options?: HttpOptions): Promise<unknown>
}
