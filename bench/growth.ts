/** How time and memory grow with the number of agents. Exponent 1: twice as many take twice as long. */
import { collectGarbage, median } from "./harness.ts"

/** Makes something of so many agents, and gives what is to be measured: a call of it. */
export type Make = (size: number) => () => Promise<unknown>

/** One table. */
export interface Setting {
  readonly name: string
  readonly sizes: ReadonlyArray<number>
  readonly make: Make
}

const rounds = Number(process.env["BENCH_ROUNDS"] ?? 5)

const heap = () => {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

/** Milliseconds of one call. What was made for it is thrown away. */
const timeOf = async (make: Make, size: number): Promise<number> => {
  const call = make(size)
  const start = performance.now()
  await call()
  return performance.now() - start
}

/** Bytes of heap that remain: of what was made, and after the call. */
const bytesOf = async (make: Make, size: number) => {
  const before = heap()
  const call = make(size)
  const made = heap() - before
  await call()
  return { made, after: heap() - before, call }
}

const headings = ["agents", "ms", "µs/agent", "exponent", "bytes/agent", "after the call"]
const line = (cells: ReadonlyArray<string>) =>
  cells.map((cell, place) => cell.padStart(Math.max(8, headings[place]!.length) + 3)).join("")

/** The slope between the smallest and the largest, in logarithms. */
const exponent = (from: Row, to: Row): number => Math.log(to.time / from.time) / Math.log(to.size / from.size)

interface Row {
  readonly size: number
  readonly time: number
}

/** Measures all sizes in turn, some times, and prints medians; memory afterwards, for collecting garbage slows what follows. */
export const growth = async (settings: ReadonlyArray<Setting>): Promise<void> => {
  const timed = new Map<Setting, ReadonlyArray<Row>>()
  for (const setting of settings) timed.set(setting, await times(setting))
  for (const [{ make, name }, rows] of timed) {
    console.log(`\n${name}\n${line(headings)}`)
    // The first measurement after others meets garbage of theirs.
    await bytesOf(make, rows[0]!.size)
    for (const [place, { size, time }] of rows.entries()) {
      const { after, made } = await bytesOf(make, size)
      const bytes = (total: number) => Math.round(total / size).toLocaleString("en-US")
      const slope = place === 0 ? "" : exponent(rows[place - 1]!, rows[place]!).toFixed(2)
      const perAgent = ((time * 1000) / size).toFixed(2)
      console.log(line([size.toLocaleString("en-US"), time.toFixed(1), perAgent, slope, bytes(made), bytes(after)]))
    }
    console.log(`  exponent over all: ${exponent(rows[0]!, rows.at(-1)!).toFixed(2)}`)
  }
}

const times = async ({ make, sizes }: Setting): Promise<ReadonlyArray<Row>> => {
  // Code is compiled by the size that is called most often: without this the smallest would pay for all.
  for (let calls = 0; calls < 20; calls++) await timeOf(make, sizes[0]!)
  const samples = sizes.map((): Array<number> => [])
  for (let round = 0; round < rounds; round++) {
    for (const [place, size] of sizes.entries()) samples[place]!.push(await timeOf(make, size))
  }
  return sizes.map((size, place) => ({ size, time: median(samples[place]!) }))
}
