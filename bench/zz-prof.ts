import { Redacted } from "effect"
import { Session } from "node:inspector/promises"
import * as Embedded from "/work/main/src/backends/Embedded.ts"
import * as Memory from "/work/main/src/backends/Memory.ts"
import * as Postgres from "/work/main/src/backends/Postgres.ts"
import * as Redis from "/work/main/src/backends/Redis.ts"
import * as Floor from "/work/main/bench/floor.ts"
import * as Places from "/work/main/bench/places.ts"
import { onFloor, onLayer } from "/work/main/bench/tenSteps.ts"
const systems: Record<string, any> = {
  "floor pg": onFloor(Places.database, Floor.postgres),
  pg: onLayer(Places.database, (url) => Postgres.layer({ url: Redacted.make(url) })),
  redis: onLayer(Places.redisAlways, (url) => Redis.layer({ url, durability: "ignore" })),
  embedded: onLayer(Places.file, (filename) => Embedded.layer({ filename })),
  memory: onLayer(Places.nowhere, () => Memory.layer)
}
const [name, runs, conc] = process.argv.slice(2)
await systems[name!](async (runMany: any) => {
  await runMany(300, Number(conc))
  const s = new Session(); s.connect()
  await s.post("Profiler.enable"); await s.post("Profiler.setSamplingInterval", { interval: 200 }); await s.post("Profiler.start")
  await runMany(Number(runs), Number(conc))
  const { profile } = await s.post("Profiler.stop") as any
  const self = new Map<string, number>(), file = new Map<string, number>()
  const byId = new Map<number, any>(profile.nodes.map((n: any) => [n.id, n]))
  let total = 0
  profile.samples.forEach((id: number, i: number) => {
    const n = byId.get(id), dt = profile.timeDeltas[i]
    const { functionName: f, url, lineNumber } = n.callFrame
    const short = url.replace(/.*node_modules\//, "").replace(/.*\/work\/main\//, "")
    if (f === "(idle)" || f === "(program)") { self.set(f, (self.get(f) ?? 0) + dt); return }
    total += dt
    const k = `${f || "(anon)"} ${short}:${lineNumber + 1}`
    self.set(k, (self.get(k) ?? 0) + dt); file.set(short || f, (file.get(short || f) ?? 0) + dt)
  })
  const n = Number(runs) * 10
  console.log(name, conc, "busy µs/step", (total / n).toFixed(1))
  const top = (m: Map<string, number>, c: number) => { for (const [k, v] of [...m].toSorted((a, b) => b[1] - a[1]).slice(0, c)) console.log(" ", (v / n).toFixed(2).padStart(8), "µs", k) }
  top(file, 22); console.log("--"); top(self, 32)
})
