import { Redacted } from "effect"
import * as Postgres from "tutti/postgres"
import * as Peers from "./peers/peers.ts"
import * as Places from "./places.ts"
import { onFloor, onLayer } from "./tenSteps.ts"
import * as Floor from "./floor.ts"
const alter = async (url: string, f: (d: string) => string) => {
  const c = await Peers.connect(url)
  const def = (await c.query("select pg_get_functiondef('tutti_append'::regproc) d")).rows[0].d as string
  await c.query(f(def)); await c.end()
}
const ours = onLayer(Places.database, (url: string) => Postgres.layer({ url: Redacted.make(url) }))
const noNotify = (d: string) => d.replaceAll(/PERFORM pg_notify\([^;]*;/g, "")
const noLock = (d: string) => noNotify(d).replace(/PERFORM pg_advisory_xact_lock[^;]*;/, "")
const all: Record<string, number[]> = {}, crowd: Record<string, number[]> = {}
for (let r = 0; r < 4; r++) for (const [name, sys, f] of [["floor", onFloor(Places.database, Floor.postgres), undefined], ["ours", ours, undefined], ["ours, no notify", ours, noNotify], ["ours, no notify, no lock", ours, noLock]] as const) {
  await sys(async (runMany: any, url: string) => {
    if (f) await alter(url, f)
    await runMany(100, 1)
    const t = performance.now(); await runMany(60, 1); (all[name] ??= []).push((performance.now() - t) * 1000 / 600)
    await runMany(300, 100)
    const u = performance.now(); await runMany(1000, 100); (crowd[name] ??= []).push(10_000_000 / (performance.now() - u))
  })
}
for (const k of Object.keys(all)) console.log(k.padEnd(26), "alone µs/step", all[k]!.map((x) => x.toFixed(0)).join(" "), " 100 at once steps/s", crowd[k]!.map((x) => x.toFixed(0)).join(" "))
