/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { useReader } from './reader.ts'
import { brief } from './words.ts'

export interface LaunchesOfProps {
  base: string
  by: 'rocket' | 'provider'
  /** Empty: unknown. */
  value: string
}

/** A rocket or provider as a link to the list of its past launches. */
export function LaunchesOf({ base, by, value }: LaunchesOfProps) {
  const text = brief(value, 60)
  if (text === '') return <>{useReader().figures.unknown}</>
  return <a href={`${base}/?${new URLSearchParams({ show: 'past', [by]: value })}`}>{text}</a>
}
