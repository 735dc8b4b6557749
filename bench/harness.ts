/**
 * Times cases against each other. Every round runs each case once, in turn, so that all of them meet the same machine;
 * ratios are taken within a round, and the median of the rounds is what counts.
 *
 * `BENCH_ROUNDS=1` replaces the numbers of rounds and leaves out warming up and waiting for an idle machine: to see that a
 * benchmark works, not to measure.
 */
import { cpus } from "node:os"
import { setTimeout } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

export interface Case {
  readonly name: string
  /** One measurement, in the unit of the table. */
  readonly run: () => Promise<number> | number
  /** Name of the case it is divided by. */
  readonly reference?: string
  /** What was hoped for, of the value or of the ratio to the reference. */
  readonly aim?: Aim
}

export interface Aim {
  readonly of: "value" | "ratio"
  readonly atLeast?: number
  readonly atMost?: number
}

export interface Options {
  readonly unit: string
  readonly rounds: number
  /** Rounds that are run first and not counted. Default 1. */
  readonly warmUp?: number
  /** Sizes of batches, settings of the disk: what a reader must know to judge the figures. */
  readonly notes?: ReadonlyArray<string>
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The value that so many percent of the values do not exceed. */
export const percentile = (values: ReadonlyArray<number>, percent: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]!
}

setFlagsFromString("--expose-gc")
/** For figures of memory. Not before figures of time: it shrinks the young generation and forgets compiled code. */
export const collectGarbage: () => void = runInNewContext("gc")

const trial = process.env["BENCH_ROUNDS"]

/** Runs the rounds and prints one table. */
export const compare = async (title: string, options: Options, cases: ReadonlyArray<Case>): Promise<void> => {
  const samples = new Map<string, Array<number>>(cases.map(({ name }) => [name, []]))
  const { rounds, warmUp = 1 } = trial === undefined ? options : { rounds: Number(trial), warmUp: 0 }
  const idle: Array<number> = []
  for (let round = -warmUp; round < rounds; round++) {
    if (round >= 0) idle.push(await quiet())
    for (const { name, run } of cases) {
      const value = await run()
      if (round >= 0) samples.get(name)!.push(value)
    }
  }
  const notes = [
    `${rounds} ${rounds === 1 ? "round" : "rounds, interleaved"}; machine ${Math.round(median(idle))} % idle before them`,
    ...(options.notes ?? [])
  ]
  console.log(`\n${title} [${options.unit}]\n  ${notes.join("; ")}`)
  printTable([["", "median", "min", "max", "ratio", "aim"], ...cases.map((each) => row(each, samples))])
}

/** Others may use the machine, too: waits a little for it to be idle, and returns to how many percent it is. */
const quiet = async (): Promise<number> => {
  let idle = 0
  for (let tries = 0; idle < 80 && tries < (trial === undefined ? 10 : 1); tries++) {
    const before = cpuTimes()
    await setTimeout(300)
    const after = cpuTimes()
    idle = (100 * (after.idle - before.idle)) / Math.max(1, after.total - before.total)
  }
  return idle
}

const cpuTimes = () => {
  const times = cpus().map((cpu) => cpu.times)
  const idle = times.reduce((sum, time) => sum + time.idle, 0)
  return { idle, total: times.reduce((sum, time) => sum + time.user + time.nice + time.sys + time.irq, idle) }
}

/** Runs `work` and returns how long it took, in milliseconds. */
export const millis = async (work: () => unknown): Promise<number> => {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** Things per second. */
export const perSecond = async (count: number, work: () => unknown): Promise<number> =>
  (count * 1000) / (await millis(work))

/** Microseconds per thing. */
export const microsEach = async (count: number, work: () => unknown): Promise<number> =>
  ((await millis(work)) * 1000) / count

/** The machine, for the head of a report. */
export const printMachine = (): void => {
  const [cpu] = cpus()
  console.log(
    `${cpus().length} cores (${cpu?.model.trim()}), Node ${process.versions.node}, SQLite ${process.versions["sqlite"]}`
  )
}

const row = ({ aim, name, reference }: Case, samples: ReadonlyMap<string, ReadonlyArray<number>>): Array<string> => {
  const values = samples.get(name)!
  const references = reference === undefined ? undefined : samples.get(reference)!
  const ratio = references && median(values.map((value, round) => value / references[round]!))
  return [
    name,
    ...[median(values), Math.min(...values), Math.max(...values)].map(number),
    ratio === undefined ? "" : `${ratio.toFixed(2)}x`,
    aim === undefined ? "" : verdict(aim, aim.of === "value" ? median(values) : ratio!)
  ]
}

const verdict = ({ atLeast = -Infinity, atMost = Infinity, of }: Aim, actual: number): string => {
  const limit = atMost === Infinity ? `>= ${number(atLeast)}` : `<= ${number(atMost)}`
  return `${actual >= atLeast && actual <= atMost ? "met" : "MISSED"} (${of} ${limit})`
}

const number = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)))

const printTable = (rows: ReadonlyArray<ReadonlyArray<string>>): void => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)))
  for (const cells of rows) {
    const aligned = cells.map((cell, column) =>
      column === 0 || column === cells.length - 1 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
    )
    console.log(`  ${aligned.join("  ").trimEnd()}`)
  }
}
