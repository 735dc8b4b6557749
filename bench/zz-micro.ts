import { Effect, ManagedRuntime, Layer } from "effect"
import * as EventStore from "../src/event-store/EventStore.ts"
import * as MemoryEventStore from "../src/event-store/MemoryEventStore.ts"
import { makeFlow } from "./zz-flow.ts"
const rt = ManagedRuntime.make(EventStore.layer.pipe(Layer.provide(MemoryEventStore.layerDriver))) as any
const loop = (n: number, body: () => Effect.Effect<any, any, any>) => { let i = 0; return Effect.whileLoop({ while: () => i < n, body: () => { i++; return body() }, step() {} }) }
const t = async (name: string, N: number, eff: any, run = (e: any) => rt.runPromise(e)) => { const xs = []; for (let r = 0; r < 9; r++) { (globalThis as any).gc?.(); const t0 = performance.now(); await run(eff()); xs.push((performance.now() - t0) * 1000 / N) } xs.sort((a, b) => a - b); console.log(name.padEnd(50), xs[4]!.toFixed(2), "us each  min", xs[0]!.toFixed(2)) }
let s = 0
await t("store.append 12 events, 1000 fibers @100", 12000, () => Effect.flatMap(EventStore.EventStore, (store: any) => Effect.forEach(Array(1000), () => { const id: any = "s" + s++; let v = 0; return loop(12, () => store.append(id, [{ type: "A", data: { a: 1 }, meta: { correlationId: "a", runId: "b" } }], v++)) }, { concurrency: 100, discard: true })))
await t("yieldNow x12, 1000 @100", 12000, () => Effect.forEach(Array(1000), () => loop(12, () => Effect.yieldNow), { concurrency: 100, discard: true }))
await t("callback+microtask x12, 1000 @100", 12000, () => Effect.forEach(Array(1000), () => loop(12, () => Effect.callback((r: any) => { queueMicrotask(() => r(Effect.void)) })), { concurrency: 100, discard: true }))
await t("withSpan(succeed) alone", 20000, () => loop(20000, () => Effect.withSpan(Effect.succeed(1), "x")))
const w = Effect.withSpan("x")
await t("withSpan curried", 20000, () => loop(20000, () => w(Effect.succeed(1))))
await t("useSpan only", 20000, () => loop(20000, () => Effect.useSpan("x", () => Effect.succeed(1))))
await t("plain agent call", 20000, () => loop(20000, () => makeFlow.worker.run({ step: 1, value: 1 })))
await t("succeed loop", 20000, () => loop(20000, () => Effect.succeed(1)))
const c = makeFlow.codec
await t("codec: checkInput+encodeInput+checkOutput+encodeOutput", 20000, () => Effect.sync(() => { const v = { step: 1, value: 1 }, o = { step: 1, ok: true, value: 2, note: "step-result" }; for (let i = 0; i < 20000; i++) { c.checkInput(v); c.encodeInput(v); c.checkOutput(o); c.encodeOutput(o) } }))
