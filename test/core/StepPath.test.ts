import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as StepPath from "../../src/core/StepPath.ts"

/** Walks a program of scopes and calls, and returns every path it meets. */
const walk = (names: ReadonlyArray<string>, scope: StepPath.StepScope): string =>
  names.reduce(
    (inner, name) => {
      const path = StepPath.next(inner.scope, StepPath.segment(name))
      return { path, scope: StepPath.makeScope(path) }
    },
    { path: "", scope }
  ).path

describe("StepPath", () => {
  it("reads like the program, and counts the calls of each name", () => {
    const release = StepPath.makeScope("release")
    const paths = ["alice", "bob", "alice", "alice"].map((name) => StepPath.next(release, name))
    assert.deepStrictEqual(paths, ["release/alice", "release/bob", "release/alice#2", "release/alice#3"])
  })

  it("starts with the name itself at the root", () => {
    const root = StepPath.makeScope("")
    assert.deepStrictEqual([StepPath.next(root, "alice"), StepPath.next(root, "alice")], ["alice", "alice#2"])
  })

  it("each scope counts its own calls", () => {
    const [left, right] = [StepPath.makeScope("left"), StepPath.makeScope("right")]
    StepPath.next(left, "alice")
    assert.strictEqual(StepPath.next(right, "alice"), "right/alice")
    assert.strictEqual(StepPath.next(left, "alice"), "left/alice#2")
  })

  it("counts names of Object.prototype like any other", () => {
    const root = StepPath.makeScope("")
    assert.strictEqual(StepPath.next(root, "constructor"), "constructor")
    assert.strictEqual(StepPath.next(root, "__proto__"), "__proto__")
  })

  it("escapes what has a meaning in a path", () => {
    assert.strictEqual(StepPath.segment("alice"), "alice")
    assert.strictEqual(StepPath.segment("a/b"), "a%2Fb")
    assert.strictEqual(StepPath.segment("a#2"), "a%232")
    assert.strictEqual(StepPath.segment("a%2Fb"), "a%252Fb")
    assert.strictEqual(StepPath.segment(""), "%")
  })

  /** Names made of what could confuse a path. */
  const Name = Schema.String.check(Schema.isPattern(/^[ab%/#2F]{0,3}$/))
  const Names = Schema.Array(
    Schema.Literals(["", "a", "b", "#", "#2", "/", "%", "%2F", "%23", "%25", "a/b", "a#2", "a%2Fb", "2"])
  )

  it.prop("two names never become one segment", { a: Schema.Union([Name, Schema.String]), b: Name }, ({ a, b }) => {
    assert.strictEqual(StepPath.segment(a) === StepPath.segment(b), a === b)
  })

  it.prop(
    "two places in a program never get one path",
    { a: Names, b: Names },
    ({ a, b }) => {
      const path = (names: ReadonlyArray<string>) => walk(names, StepPath.makeScope(""))
      assert.strictEqual(path(a) === path(b), JSON.stringify(a) === JSON.stringify(b))
    },
    { arbitrary: { runs: 500 } }
  )

  it.prop(
    "calls in one scope never get one path, nor that of a call deeper down",
    { calls: Names, deeper: Names },
    ({ calls, deeper }) => {
      const root = StepPath.makeScope("")
      const paths = calls.flatMap((name) => {
        const path = StepPath.next(root, StepPath.segment(name))
        const scope = StepPath.makeScope(path)
        return [path, ...deeper.map((inner) => StepPath.next(scope, StepPath.segment(inner)))]
      })
      assert.strictEqual(new Set(paths).size, paths.length)
    },
    { arbitrary: { runs: 500 } }
  )
})
