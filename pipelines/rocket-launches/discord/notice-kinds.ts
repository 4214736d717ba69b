interface KindOptions {
  /** True: readers can still watch the launch, so the message has a countdown, the place and the webcast. */
  watchable: boolean
  /** If this fact changes again, an unsent notice is dropped. */
  droppedBy: readonly ('net' | 'status')[]
}

/**
 * The one list of notice kinds, in the order in which settings list them. CONTRIBUTING.md lists the steps to add a
 * kind.
 */
export const NOTICE_KINDS = {
  slip: { watchable: false, droppedBy: ['net'] },
  hold: { watchable: false, droppedBy: ['status'] },
  go: { watchable: true, droppedBy: ['status'] },
  liftoff: { watchable: true, droppedBy: ['status'] },
  result: { watchable: false, droppedBy: [] },
  reminder: { watchable: true, droppedBy: ['net', 'status'] },
  webcast: { watchable: true, droppedBy: [] },
} as const satisfies Record<string, KindOptions>

export type NoticeKind = keyof typeof NOTICE_KINDS

export const KIND_NAMES = Object.keys(NOTICE_KINDS) as NoticeKind[]

/** The urgent kinds. They ping the role of DISCORD_ROLE_ID, unless the setting names other kinds. */
export const PINGING_BY_DEFAULT: ReadonlySet<NoticeKind> = new Set(['reminder', 'hold'])

/** The options of a kind; undefined for a kind that another version of the pipeline stored. */
export function noticeOptions(kind: string): KindOptions | undefined {
  return Object.hasOwn(NOTICE_KINDS, kind) ? NOTICE_KINDS[kind as NoticeKind] : undefined
}
