import { execFileSync, spawn } from 'node:child_process'

/** A network of two machines: a namespace, whose address can be changed, and this machine or another namespace. */
export interface NetworkNamespace {
  name: string
  /** The address of the other machine, as the namespace sees it. */
  host: string
  /** Put before a command, runs it in the namespace. */
  prefix: readonly string[]
  /** Connections from the old address die silently. */
  changeAddress(): void
  /** Takes its network away. Neither side of a connection is told. */
  cut(): void
  /** Gives it back. */
  mend(): void
  remove(): void
}

const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })

/**
 * Undefined where the user or the system does not allow it.
 * @param index tells the namespaces of one process apart
 * @param hub the other machine; default: this one
 */
export function openNamespace(index = 0, hub?: NetworkNamespace): NetworkNamespace | undefined {
  const id = process.pid % 60_000
  const [name, outer, inner] = ['tminus', 'tmo', 'tmi'].map((kind) => `${kind}${id}n${index}`) as [
    string,
    string,
    string,
  ]
  const net = `10.${213 + index}.${id % 250}`
  const there = hub === undefined ? [] : ['-n', hub.name]
  const remove = () => {
    for (const args of [
      [...there, 'link', 'del', outer],
      ['netns', 'del', name],
    ])
      spawn('ip', args, { stdio: 'ignore' }).on('error', () => {})
  }
  try {
    ip('netns', 'add', name)
    ip(...there, 'link', 'add', outer, 'type', 'veth', 'peer', 'name', inner, 'netns', name)
    ip(...there, 'addr', 'add', `${net}.1/24`, 'dev', outer)
    ip(...there, 'link', 'set', outer, 'up')
    ip('-n', name, 'addr', 'add', `${net}.2/24`, 'dev', inner)
    ip('-n', name, 'link', 'set', inner, 'up')
    ip('-n', name, 'link', 'set', 'lo', 'up')
  } catch {
    remove()
    return undefined
  }
  const changeAddress = () => {
    ip('-n', name, 'addr', 'add', `${net}.3/24`, 'dev', inner)
    ip('-n', name, 'addr', 'del', `${net}.2/24`, 'dev', inner)
    ip('-n', name, 'addr', 'replace', `${net}.3/24`, 'dev', inner)
  }
  const set = (state: 'up' | 'down') => ip('-n', name, 'link', 'set', inner, state)
  const prefix = ['ip', 'netns', 'exec', name]
  return { name, host: `${net}.1`, prefix, changeAddress, cut: () => set('down'), mend: () => set('up'), remove }
}
