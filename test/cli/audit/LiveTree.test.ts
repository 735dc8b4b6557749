import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { columns, duration, render, type RenderOptions, summary, truncate } from "../../../src/cli/audit/LiveTree.ts"
import { empty, reduce, type ViewEvent } from "../../../src/cli/audit/TreeState.ts"

const after = (...events: ReadonlyArray<ViewEvent>) => events.reduce(reduce, empty)
const plain: RenderOptions = { width: 80, color: "None", tick: 0, now: 10_000 }
// oxlint-disable-next-line no-control-regex
const escapes = /\u001b\[[\d;]*m/g

const Name = Schema.Literals([
  "collect",
  "源代码",
  "🚀",
  "a\nb",
  "\u001b[2Jx",
  "é",
  "name-that-is-rather-long-for-a-column"
])
const Event = Schema.Struct({
  tag: Schema.Literals(["NodePlanned", "NodeStarted", "NodeFinished", "NodeFailed", "NodeRetried", "Note"]),
  path: Schema.Array(Name).check(Schema.isMinLength(1), Schema.isMaxLength(4)),
  detail: Name
})
const toEvent = ({ detail, path, tag }: typeof Event.Type): ViewEvent =>
  ({ _tag: tag, path: path.join("/"), at: 9000, attempt: 3, detail, text: detail }) as ViewEvent

describe("LiveTree", () => {
  it("draws a tree", () => {
    const state = after(
      { _tag: "NodeStarted", path: "audit", at: 8000 },
      { _tag: "NodeStarted", path: "audit/collect", at: 8000 },
      { _tag: "NodeFinished", path: "audit/collect", at: 8300, detail: "75 files" },
      { _tag: "NodeStarted", path: "audit/measure/src#1", at: 8400 },
      { _tag: "NodeFinished", path: "audit/measure/src#1", at: 8900 },
      { _tag: "NodeStarted", path: "audit/measure/src#2", at: 8400 },
      { _tag: "NodeRetried", path: "audit/measure/src#2", at: 9000, attempt: 2, detail: "timeout" },
      { _tag: "NodePlanned", path: "audit/report" },
      { _tag: "NodeFailed", path: "audit/links", at: 9000, detail: "no" },
      { _tag: "Note", text: "resumed" }
    )
    assert.deepStrictEqual(render(state, plain), [
      "⠋ audit  2/4  2.0s",
      "├─ ✓ collect  0.3s  75 files",
      "├─ ⠋ measure  1/2  1.6s",
      "│  ├─ ✓ src#1  0.5s",
      "│  └─ ↻ src#2  1.6s  attempt 2  timeout",
      "├─ ○ report",
      "└─ ✗ links  no",
      "› resumed"
    ])
    assert.strictEqual(summary(state, plain), "✗ 2 done, 1 failed, 1 retried, 2 unfinished in 2.0s")
    assert.notStrictEqual(render(state, { ...plain, tick: 1 })[0], render(state, plain)[0])
  })

  it("colours without changing the text", () => {
    const state = after({ _tag: "NodeFailed", path: "a", at: 1, detail: "no" })
    const [line = ""] = render(state, { ...plain, color: "Ansi" })
    assert.strictEqual(line, "\u001b[31m✗\u001b[0m a\u001b[31m  no\u001b[0m")
    assert.strictEqual(line.replaceAll(escapes, ""), render(state, plain)[0])
  })

  it.prop(
    "D1, D2, D3: never wider or higher than asked, never a control character",
    {
      events: Schema.Array(Event),
      width: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })),
      height: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 12 })),
      color: Schema.Literals(["Ansi", "None"])
    },
    ({ color, events, height, width }) => {
      const lines = render(after(...events.map(toEvent)), { ...plain, color, height, width })
      assert.isAtMost(lines.length, height)
      for (const line of lines) {
        const text = color === "Ansi" ? line.replaceAll(escapes, "") : line
        assert.isAtMost(columns(text), width)
        assert.notMatch(text, /\p{Cc}/u)
      }
    }
  )

  it("D2: folds what has ended first, and counts it", () => {
    const events = [...Array(20).keys()].flatMap((n): ReadonlyArray<ViewEvent> => [
      { _tag: "NodeStarted", path: `audit/measure/g${n}`, at: 1 },
      ...(n < 17 ? [{ _tag: "NodeFinished", path: `audit/measure/g${n}`, at: 2 } as const] : [])
    ])
    const state = after(...events, { _tag: "NodeFailed", path: "audit/measure/bad", at: 3, detail: "x" })
    const lines = render(state, { ...plain, height: 8 })
    assert.deepStrictEqual(
      lines.map((line) => line.replace(/ {2}\d.*$/, "")),
      ["⠋ audit", "└─ ⠋ measure", "   ├─ ⠋ g17", "   ├─ ⠋ g18", "   ├─ ⠋ g19", "   ├─ ✗ bad  x", "   └─ ✓ 17 done"]
    )
    assert.strictEqual(render(state, { ...plain, height: 3 }).at(-1), "… 5 more lines")
  })

  it("measures and cuts wide text", () => {
    assert.deepStrictEqual(["abc", "源代", "🚀", "e\u0301", ""].map(columns), [3, 4, 2, 1, 0])
    assert.deepStrictEqual(
      [truncate("abcdef", 4), truncate("源代码", 4), truncate("abc", 3), truncate("abc", 0)],
      ["abc…", "源…", "abc", ""]
    )
  })

  it("writes durations shortly", () => {
    assert.deepStrictEqual([-1, 340, 9940, 9960, 59_000, 65_000, 3_599_600, 7_800_000].map(duration), [
      "0.0s",
      "0.3s",
      "9.9s",
      "10s",
      "59s",
      "1m 05s",
      "1h 00m",
      "2h 10m"
    ])
  })

  it("an empty tree is no line", () => {
    assert.deepStrictEqual(render(empty, plain), [])
    assert.strictEqual(summary(empty, plain), "✓ nothing to do")
  })
})
