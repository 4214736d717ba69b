interface KindOptions {
  /** True: readers can still watch the launch, so the message has a countdown, the place and the webcast. */
  watchable: boolean
  /** True: the event is a new status, so the headline has the emoji of the status, as the card does. */
  ofStatus: boolean
  /** If this fact changes again, an unsent notice is dropped. */
  droppedBy: readonly ('net' | 'status')[]
}

/**
 * The one list of notice kinds, in the order in which settings list them. CONTRIBUTING.md lists the steps to add a
 * kind.
 */
export const NOTICE_KINDS = {
  slip: { watchable: false, ofStatus: false, droppedBy: ['net'] },
  hold: { watchable: false, ofStatus: true, droppedBy: ['status'] },
  go: { watchable: true, ofStatus: true, droppedBy: ['status'] },
  liftoff: { watchable: true, ofStatus: true, droppedBy: ['status'] },
  result: { watchable: false, ofStatus: true, droppedBy: [] },
  reminder: { watchable: true, ofStatus: false, droppedBy: ['net', 'status'] },
  webcast: { watchable: true, ofStatus: false, droppedBy: [] },
} as const satisfies Record<string, KindOptions>

export type NoticeKind = keyof typeof NOTICE_KINDS

export const KIND_NAMES = Object.keys(NOTICE_KINDS) as NoticeKind[]

/** The urgent kinds. They ping the role of DISCORD_ROLE_ID, unless the setting names other kinds. */
export const PINGING_BY_DEFAULT: ReadonlySet<NoticeKind> = new Set(['reminder', 'hold'])

/** The options of a kind; undefined for a kind that another version of the pipeline stored. */
export function noticeOptions(kind: string): KindOptions | undefined {
  return Object.hasOwn(NOTICE_KINDS, kind) ? NOTICE_KINDS[kind as NoticeKind] : undefined
}
