/** How long steps take, from being asked for to their answer, for whoever watches. */
let watched: Array<number> | undefined

/** The instant at which a step is asked for. */
export const asked = (): number => (watched === undefined ? 0 : performance.now())

/** The step that was asked for then has its answer. */
export const answered = (since: number): void => void watched?.push(performance.now() - since)

/** The latencies of all steps of `work`, in milliseconds. */
export const watch = async (work: () => Promise<void>): Promise<ReadonlyArray<number>> => {
  const latencies: Array<number> = []
  watched = latencies
  try {
    await work()
  } finally {
    watched = undefined
  }
  return latencies
}
