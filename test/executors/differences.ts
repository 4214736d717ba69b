/** What may differ between executors. */
export type Expectation =
  | 'a task runs in the process of its owner'
  | 'the process of an abandoned task lives on'
  | 'a try ends when its run is released or its owner dies'
  | 'the previous runs of runs that overlap'
  | 'why the try of a dead process is lost'

interface Difference {
  value: unknown
  why: string
}

/**
 * The expectations of the conformance suite in which an executor differs from the local one. The suite checks that each
 * has the value given here, and that this is not the usual value. The lost try of a dead worker is in test/e2e/workers.
 */
export const DIFFERENCES: Record<
  'local' | 'one slot' | 'isolated' | 'distributed',
  Partial<Record<Expectation, Difference>>
> = {
  local: {},
  distributed: {
    'a try ends when its run is released or its owner dies': {
      value: false,
      why: 'the try runs on a worker, which reports to the next owner',
    },
  },
  'one slot': {
    'the previous runs of runs that overlap': {
      value: ['1 a: none', '1 b: none', '2 a: 1', '2 b: 1', '4 a: 2', '4 b: 2', '3 a: 2', '3 b: 2'],
      why: 'with one slot, a run ends before the next one starts',
    },
  },
  isolated: {
    'a task runs in the process of its owner': { value: false, why: 'isolation is a process of its own' },
    'the process of an abandoned task lives on': {
      value: false,
      why: 'a child can be ended with its task; the process of the other tasks cannot',
    },
    'why the try of a dead process is lost': {
      value: 'lost: the process died (not charged: it ran in a child process)',
      why: 'a task in a child cannot end the process that owns it',
    },
  },
}
