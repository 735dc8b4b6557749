/** The ten steps on DBOS Transact, in this process and on the same PostgreSQL. */
import { randomUUID } from "node:crypto"
import * as Peers from "./peers/peers.ts"
import * as Places from "./places.ts"
import * as StepLatency from "./stepLatency.ts"
import { type RunMany, steps, type System } from "./tenSteps.ts"

/** DBOS keeps one process-wide registry, so the workflow is registered once. */
let registered: Promise<{ readonly engine: Peers.Dbos["DBOS"]; readonly run: () => Promise<void> }> | undefined

const register = async () => {
  const { DBOS } = await Peers.dbos()
  const tenSteps = DBOS.registerWorkflow(
    async (start: number) => {
      let value = start
      for (let step = 0; step < steps; step++) {
        const before = value
        const asked = StepLatency.asked()
        const work = async () => ({ step, ok: true, value: before + 1, note: "step-result" })
        value = (await DBOS.runStep(work, { name: `step${step}` })).value
        StepLatency.answered(asked)
      }
      return value
    },
    { name: "tenSteps" }
  )
  const run = async () => {
    const handle = await DBOS.startWorkflow(tenSteps, { workflowID: randomUUID() })(1)
    const value = await handle.getResult()
    if (value !== 11) throw new Error(`11 was expected, not ${value}`)
  }
  return { engine: DBOS, run }
}

/** Each step's result is committed before the next step begins. */
export const dbos: System<string> = (use) =>
  Places.database(async (url) => {
    const { engine, run } = await (registered ??= register())
    engine.setConfig({
      name: "bench",
      systemDatabaseUrl: url,
      systemDatabasePoolSize: 20,
      logLevel: "error",
      runAdminServer: false
    })
    const runMany: RunMany = async (count, concurrency) => {
      let begun = 0
      const worker = async () => {
        while (begun++ < count) await run()
      }
      await Promise.all(Array.from({ length: concurrency }, worker))
    }
    await engine.launch()
    try {
      return await use(runMany, url)
    } finally {
      await engine.shutdown()
    }
  })
