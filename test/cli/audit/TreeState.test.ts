import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import {
  empty,
  endedAt,
  find,
  leaves,
  reduce,
  startedAt,
  stateOf,
  type ViewEvent
} from "../../../src/cli/audit/TreeState.ts"

const Path = Schema.Array(Schema.Literals(["a", "b#2", "c"])).check(Schema.isMinLength(1), Schema.isMaxLength(3))
const Event = Schema.Struct({
  tag: Schema.Literals([
    "NodePlanned",
    "NodeStarted",
    "NodeProgressed",
    "NodeRetried",
    "NodeFinished",
    "NodeFailed",
    "NodeSkipped",
    "NodeUndone",
    "Note"
  ]),
  path: Path,
  at: Schema.Int
})
const toEvent = ({ at, path, tag }: typeof Event.Type): ViewEvent =>
  ({ _tag: tag, path: path.join("/"), at, attempt: 2, detail: "d", text: "t" }) as ViewEvent

const after = (...events: ReadonlyArray<ViewEvent>) => events.reduce(reduce, empty)

describe("TreeState", () => {
  it.prop("V1: no order of events loses a node", { events: Schema.Array(Event) }, ({ events }) => {
    const state = after(...events.map(toEvent))
    for (const event of events) {
      if (event.tag !== "Note") assert.strictEqual(find(state, event.path.join("/"))?.path, event.path.join("/"))
    }
  })

  it.prop(
    "V3: an event that comes twice changes nothing",
    { events: Schema.Array(Event), last: Event },
    ({ events, last }) => {
      if (last.tag === "Note") return
      const once = after(...events.map(toEvent), toEvent(last))
      assert.strictEqual(reduce(once, toEvent(last)).nodes, once.nodes)
    }
  )

  it("V2: children stay in the order of their first event", () => {
    const state = after(
      { _tag: "NodePlanned", path: "x/b" },
      { _tag: "NodeStarted", path: "x/a", at: 1 },
      { _tag: "NodeFinished", path: "x/b", at: 2 }
    )
    assert.deepStrictEqual(
      leaves(state.nodes).map((node) => node.name),
      ["b", "a"]
    )
  })

  it("a node that no event started shows what its children do", () => {
    const states = (...events: ReadonlyArray<ViewEvent>) => stateOf(find(after(...events), "x")!)
    const planned: ReadonlyArray<ViewEvent> = [
      { _tag: "NodePlanned", path: "x/a" },
      { _tag: "NodePlanned", path: "x/b" }
    ]
    assert.strictEqual(states(...planned), "waiting")
    assert.strictEqual(states(...planned, { _tag: "NodeFinished", path: "x/a", at: 1 }), "running")
    assert.strictEqual(
      states({ _tag: "NodeFailed", path: "x/a", at: 1, detail: "" }, { _tag: "NodeFinished", path: "x/b", at: 1 }),
      "failed"
    )
    assert.strictEqual(states({ _tag: "NodeSkipped", path: "x/a", at: 1 }), "skipped")
    assert.strictEqual(
      states({ _tag: "NodeUndone", path: "x/a", at: 1 }, { _tag: "NodeSkipped", path: "x/b", at: 1 }),
      "undone"
    )
  })

  it("times of a group are those of its children", () => {
    const running = after({ _tag: "NodeStarted", path: "x/a", at: 5 }, { _tag: "NodeStarted", path: "x/b", at: 7 })
    const ended = [
      { path: "x/a", at: 20 },
      { path: "x/b", at: 9 }
    ].reduce((state, each) => reduce(state, { _tag: "NodeFinished", ...each }), running)
    assert.deepStrictEqual([startedAt(find(running, "x")!), endedAt(find(running, "x")!)], [5, undefined])
    assert.deepStrictEqual([startedAt(find(ended, "x")!), endedAt(find(ended, "x")!)], [5, 20])
  })

  it("a retry keeps the first start and counts attempts; a restart opens it again", () => {
    const node = find(
      after(
        { _tag: "NodeStarted", path: "x", at: 1 },
        { _tag: "NodeRetried", path: "x", at: 3, attempt: 2, detail: "timeout" },
        { _tag: "NodeStarted", path: "x", at: 4 }
      ),
      "x"
    )!
    assert.deepInclude(node, { state: "running", started: 1, attempt: 2, detail: "" })
    const again = after({ _tag: "NodeFailed", path: "x", at: 1, detail: "" }, { _tag: "NodeStarted", path: "x", at: 2 })
    assert.deepInclude(find(again, "x"), { state: "running", ended: undefined })
  })

  it("an empty path and an unknown one are nothing", () => {
    assert.strictEqual(reduce(empty, { _tag: "NodePlanned", path: "/" }), empty)
    assert.strictEqual(find(empty, "x/y"), undefined)
  })
})
