import { Redacted } from "effect"
import { Session } from "node:inspector/promises"
import * as Embedded from "../src/backends/Embedded.ts"
import * as Memory from "../src/backends/Memory.ts"
import * as Postgres from "../src/backends/Postgres.ts"
import * as Redis from "../src/backends/Redis.ts"
import * as Floor from "./floor.ts"
import * as Places from "./places.ts"
import { onFloor, onLayer } from "./tenSteps.ts"
const systems: Record<string, any> = {
  "floor pg": onFloor(Places.database, Floor.postgres),
  "floor redis": onFloor(Places.redisAlways, Floor.redis),
  pg: onLayer(Places.database, (url) => Postgres.layer({ url: Redacted.make(url) })),
  redis: onLayer(Places.redisAlways, (url) => Redis.layer({ url, durability: "ignore" })),
  embedded: onLayer(Places.file, (filename) => Embedded.layer({ filename })),
  memory: onLayer(Places.nowhere, () => Memory.layer)
}
const [name, warm, runs, conc] = process.argv.slice(2)
await systems[name!](async (runMany: any) => {
  await runMany(Number(warm), Number(conc))
  const s = new Session(); s.connect()
  await s.post("Profiler.enable"); await s.post("Profiler.setSamplingInterval", { interval: 250 }); await s.post("Profiler.start")
  const c0 = process.cpuUsage()
  await runMany(Number(runs), Number(conc))
  const c = process.cpuUsage(c0)
  const { profile } = await s.post("Profiler.stop") as any
  const self = new Map<string, number>(), file = new Map<string, number>()
  const byId = new Map<number, any>(profile.nodes.map((n: any) => [n.id, n]))
  let total = 0
  profile.samples.forEach((id: number, i: number) => {
    const n = byId.get(id), dt = profile.timeDeltas[i]
    const { functionName: f, url, lineNumber } = n.callFrame
    const short = url.replace(/.*node_modules\//, "").replace(/.*\/work\/main\//, "")
    if (f === "(idle)" || f === "(program)" || short === "node:inspector") return
    total += dt
    const k = `${f || "(anon)"} ${short}:${lineNumber + 1}`
    self.set(k, (self.get(k) ?? 0) + dt); file.set(short || f, (file.get(short || f) ?? 0) + dt)
  })
  const n = Number(runs) * 10
  console.log(name, conc, "busy µs/step", (total / n).toFixed(1), "cpu µs/step", ((c.user + c.system) / n).toFixed(1))
  const group = new Map<string, number>()
  for (const [k, v] of file) { const g = k.startsWith("effect/") ? "effect" : k.startsWith("@effect/sql-pg") ? "sql-pg" : k.startsWith("ioredis") || k.startsWith("redis") || k.includes("@ioredis") ? "ioredis" : k.startsWith("src/") ? k : k.startsWith("node:") ? "node" : k; group.set(g, (group.get(g) ?? 0) + v) }
  const top = (m: Map<string, number>, c: number) => { for (const [k, v] of [...m].toSorted((a, b) => b[1] - a[1]).slice(0, c)) console.log(" ", (v / n).toFixed(2).padStart(8), "µs", (100 * v / total).toFixed(0).padStart(3), "%", k) }
  top(group, 16); console.log("--"); top(self, 16)
})
