import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import * as OrchestrationEvent from "../../src/core/OrchestrationEvent.ts"
import { TaskEvent } from "../../src/core/TaskLifeCycle.ts"

const page = readFileSync(new URL("../../docs/reference/events.md", import.meta.url), "utf8")

/** Rows of the tables, by the name in their first cell: the names in their third. */
const rows = new Map(
  page.split("\n").flatMap((line) => {
    const [, name, , payload] =
      line.split(" | ").length < 4 ? [] : (/^\| `(\w+)` +\| (.*?) +\| (.*?) +\| /.exec(line) ?? [])
    return name === undefined ? [] : [[name, (payload ?? "").split(", ").filter((field) => field !== "")] as const]
  })
)

const payloadOf = (fields: Schema.Struct.Fields, left: ReadonlyArray<string>) =>
  Object.entries(fields)
    .filter(([field]) => !left.includes(field))
    .map(([field, schema]) => `\`${field}${schema.ast.context?.isOptional === true ? "?" : ""}\``)

describe("docs/reference/events.md", () => {
  for (const { fields } of OrchestrationEvent.OrchestrationEvent.members) {
    it(`tells of ${fields._tag.schema.literal} and its payload`, () => {
      assert.deepStrictEqual(rows.get(fields._tag.schema.literal), payloadOf(fields, ["_tag"]))
    })
  }

  for (const { fields } of TaskEvent.members) {
    it(`tells of ${fields._tag.schema.literal} and its payload`, () => {
      assert.deepStrictEqual(rows.get(fields._tag.schema.literal), payloadOf(fields, ["_tag", "taskId", "at"]))
    })
  }

  it("tells of no event that does not exist", () => {
    const tags = [...OrchestrationEvent.OrchestrationEvent.members, ...TaskEvent.members].map(
      ({ fields }): string => fields._tag.schema.literal
    )
    assert.sameMembers([...rows.keys()], tags)
  })

  it("names what others call it", () => {
    const others = `
      run:queued run:started run:complete run:failed iteration:started iteration:complete agent:started agent:complete
      agent:failed verification:started verification:complete workspace:acquired workspace:released snapshot:created
      snapshot:restored pr:created pr:merged strategy:decision workOrderId TaskSubmitted TaskValidated TaskRouted
      TaskStarted TaskCompleted TaskFailed TaskRetry TaskCreated CreateTask ExecuteStep CompleteTask`
      .trim()
      .split(/\s+/)
    for (const name of others) assert.include(page, `\`${name}\``)
  })
})

describe("OrchestrationEvent", () => {
  it("tags are unique, and those that concern a run begin so", () => {
    const tags = OrchestrationEvent.OrchestrationEvent.members.map(({ fields }): string => fields._tag.schema.literal)
    assert.strictEqual(new Set(tags).size, tags.length)
    assert.sameMembers(
      [...OrchestrationEvent.runTags],
      tags.filter((tag) => tag.startsWith("Run"))
    )
  })

  it.prop("every event survives JSON as it is", { event: OrchestrationEvent.OrchestrationEvent }, ({ event }) => {
    const codec = Schema.toCodecJson(OrchestrationEvent.OrchestrationEvent)
    const json = JSON.parse(JSON.stringify(Schema.encodeSync(codec)(event)))
    assert.strictEqual(
      JSON.stringify(Schema.encodeSync(codec)(Schema.decodeUnknownSync(codec)(json))),
      JSON.stringify(json)
    )
  })
})
