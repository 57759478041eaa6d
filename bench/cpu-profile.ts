/** Reads a CPU profile of V8: where the engine's time goes. */

interface ProfileNode {
  id: number
  callFrame: { functionName: string; url: string }
  children?: number[]
}

/** As the inspector's Profiler.stop gives it. */
export interface CpuProfile {
  nodes: ProfileNode[]
  samples?: number[]
  /** µs, one for each sample. */
  timeDeltas?: number[]
}

/** Part of all time that the thread was busy, 0 to 1. */
export interface Share {
  name: string
  share: number
}

/** The entries of the parser, for datagrams and for streams: what is called from them is parsing. */
const parserEntries = new Set(['parseMessage', 'parseHead'])

/**
 * `areas`: each sample counts for the innermost file of the engine on its stack, so that what Node and the kernel do on
 * its behalf is counted with it. `functions`: each sample counts for the function it was in.
 */
export const sharesOf = (profile: CpuProfile): { areas: Share[]; functions: Share[] } => {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const parents = new Map(
    profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])),
  )
  const stack = (id: number): ProfileNode[] => {
    const node = nodes.get(id)
    const parent = parents.get(id)
    return [...(node ? [node] : []), ...(parent === undefined ? [] : stack(parent))]
  }
  const areas = new Map<string, number>()
  const functions = new Map<string, number>()
  let busy = 0
  for (const [id, time] of timeByNode(profile)) {
    const frames = stack(id)
    const functionName = functionNameOf(frames[0])
    if (functionName === '(idle)') continue
    busy += time
    add(areas, areaOf(frames), time)
    add(functions, functionName, time)
  }
  const shares = (times: Map<string, number>): Share[] =>
    [...times].map(([name, time]) => ({ name, share: time / busy })).sort((a, b) => b.share - a.share)
  return { areas: shares(areas), functions: shares(functions) }
}

const timeByNode = ({ samples = [], timeDeltas = [] }: CpuProfile): Map<number, number> => {
  const times = new Map<number, number>()
  // A delta is the time before its sample, which the sample before it stands for.
  samples.forEach((id, index) => add(times, id, timeDeltas[index + 1] ?? 0))
  return times
}

const add = <Key>(sums: Map<Key, number>, key: Key, value: number): void => {
  sums.set(key, (sums.get(key) ?? 0) + value)
}

const engineFile = /\/src\/engine\/(.*)\.js$/

const areaOf = (frames: readonly ProfileNode[]): string => {
  if (frames.some(({ callFrame }) => parserEntries.has(callFrame.functionName))) return 'parser'
  for (const { callFrame } of frames) {
    const file = engineFile.exec(callFrame.url)?.[1]
    if (file !== undefined) return file.includes('/') ? file.slice(0, file.lastIndexOf('/')) : file
  }
  const [leaf] = frames
  return leaf?.callFrame.functionName === '(garbage collector)' ? 'garbage collector' : 'Node and kernel'
}

const functionNameOf = (node: ProfileNode | undefined): string => {
  if (node === undefined) return ''
  const { functionName, url } = node.callFrame
  const file = engineFile.exec(url)?.[1] ?? url.replace(/^.*\//, '')
  return `${functionName || '(anonymous)'} ${file}`.trimEnd()
}
