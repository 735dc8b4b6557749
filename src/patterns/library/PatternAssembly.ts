/**
 * Makes an agent of data, or finds all that is wrong with the data.
 *
 * A walk over the data, slots before what they are slots of. Whatever does not resolve leaves an issue and a stand-in, so
 * that the walk goes on and what surrounds it is still checked; an instance with a stand-in in it is never built.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Agent from "../../core/Agent.ts"
import { deepest, endless } from "./Nesting.ts"
import type * as Pattern from "../pattern/Pattern.ts"
import { type Issue, lines } from "../pattern/PatternInvalid.ts"
import type * as PatternTemplate from "./PatternTemplate.ts"
import type * as Slot from "../pattern/Slot.ts"
import { unknownName } from "./UnknownName.ts"

/** What data may name. */
export interface Known {
  readonly patterns: ReadonlyMap<string, Pattern.Any>
  readonly templates: ReadonlyMap<string, PatternTemplate.Any>
  readonly agents: ReadonlyMap<string, Agent.Any>
}

/** No document is larger: aliases and templates could otherwise make few lines mean millions of agents. */
const mostInstances = 10_000

type Data = { readonly [field: string]: unknown }
type Path = Issue["path"]

/** Where the walk is. */
interface Place {
  readonly path: Path
  readonly report: (path: Path, message: string) => void
  /** How many instances are around this one, those made by templates included. */
  readonly depth: number
  /** The templates this is made by, the outermost first, each with its parameters. */
  readonly templates: ReadonlyArray<{ readonly name: string; readonly parameters: string }>
}

/** Who takes a place. */
interface Resolved {
  readonly agent: Agent.Any
  readonly pattern: Pattern.Any | undefined
  /** False: it only stands in. */
  readonly isSound: boolean
}

/** What takes a slot. */
interface Filled {
  readonly value: unknown
  readonly isSound: boolean
}

/** What came of a document. */
export interface Assembled {
  readonly agent: Agent.Any
  /** That of the outermost instance. */
  readonly pattern: Pattern.Any | undefined
  /** None: the agent can be used. */
  readonly issues: ReadonlyArray<Issue>
}

/** Makes the agent that a document describes. */
export const assemble = (known: Known, document: unknown): Assembled => {
  const assembly = new Assembly(known)
  return { ...assembly.document(document), issues: assembly.issues }
}

const isData = (value: unknown): value is Data =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !Agent.isAgent(value)

const inner = (place: Place, ...path: Path): Place => ({ ...place, path: [...place.path, ...path] })

/** Takes the place of an agent that there is not (yet). Never called. */
export const standIn = (name: string): Resolved => ({
  agent: Agent.compose(name, { run: () => Effect.die(new Error(`"${name}" only stands in for an agent`)) }),
  pattern: undefined,
  isSound: false
})

const missing = (place: Place, message: string, name = "?"): Resolved => {
  place.report(place.path, message)
  return standIn(name)
}

/** What the data looks like, where no slot says how many it takes. */
const arityOf = (given: unknown): Slot.Arity => {
  if (Array.isArray(given)) return "List"
  return isData(given) && !("pattern" in given) && !("template" in given) ? "Record" : "One"
}

type TemplateUse = Place["templates"][number]

/** The same template with the same parameters makes the same, for ever. With others it may come to an end. */
const cycleTo = (use: TemplateUse, templates: Place["templates"]): string | undefined => {
  const start = templates.findIndex(({ name, parameters }) => name === use.name && parameters === use.parameters)
  if (start === -1) return undefined
  return [...templates.slice(start), use].map(({ name }) => name).join(" -> ")
}

/** What a template makes is reported where the template is used. */
const madeBy = (use: TemplateUse, { depth, path, report, templates }: Place): Place => ({
  path: [],
  report: (inner, message) => report(path, `template "${use.name}" makes ${lines([{ path: inner, message }]).join()}`),
  depth,
  templates: [...templates, use]
})

class Assembly {
  readonly issues: Array<Issue> = []
  private instances = 0
  private where: Data = {}
  private readonly made = new Map<string, Resolved>()
  private underWay: ReadonlyArray<string> = []
  private readonly known: Known

  constructor(known: Known) {
    this.known = known
  }

  document(data: unknown): Resolved {
    const place = this.outside()
    if (!isData(data)) return missing(place, "is not the data of an instance")
    const issue = endless(data)
    if (issue !== undefined) return missing(inner(place, ...issue.path), issue.message)
    const { where, ...instance } = data
    this.where = this.objectAt(inner(place, "where"), where)
    for (const name of Object.keys(this.where)) this.besides(name, place)
    return this.instance(instance, place)
  }

  private outside(...path: Path): Place {
    const report = (path: Path, message: string) => void this.issues.push({ path, message })
    return { path, report, depth: 0, templates: [] }
  }

  private member(value: unknown, place: Place): Resolved {
    if (typeof value !== "string") return this.instance(value, place)
    const agent = this.known.agents.get(value)
    if (agent !== undefined) return { agent, pattern: undefined, isSound: true }
    if (Object.hasOwn(this.where, value)) return this.besides(value, place)
    const names = [...this.known.agents.keys(), ...Object.keys(this.where)]
    return missing(place, unknownName("agent", value, names), value)
  }

  /** An instance of `where`: made once. */
  private besides(name: string, place: Place): Resolved {
    const made = this.made.get(name)
    if (made !== undefined) return made
    if (this.underWay.includes(name)) {
      const cycle = [...this.underWay.slice(this.underWay.indexOf(name)), name]
      return missing(place, `"${name}" leads to itself: ${cycle.join(" -> ")}`, name)
    }
    const own = this.outside("where", name)
    if (this.known.agents.has(name)) own.report(own.path, "an agent goes by this name already")
    this.underWay = [...this.underWay, name]
    const data = this.where[name]
    const resolved = this.instance(isData(data) ? { name, ...data } : data, own)
    this.underWay = this.underWay.slice(0, -1)
    this.made.set(name, resolved)
    return resolved
  }

  private instance(data: unknown, place: Place): Resolved {
    if (!isData(data)) return missing(place, "is neither the name of an agent nor an instance")
    if (place.depth > deepest) return missing(place, `is nested more than ${deepest} deep`)
    this.instances++
    if (this.instances === mostInstances) place.report(place.path, `is one instance too many: ${mostInstances}`)
    if (this.instances >= mostInstances) return standIn("?")
    const here = { ...place, depth: place.depth + 1 }
    return "template" in data ? this.ofTemplate(data, here) : this.ofPattern(data, here)
  }

  private ofTemplate(data: Data, place: Place): Resolved {
    const name = this.nameAt(place, data)
    this.onlyFields(place, data, ["name", "template", "parameters"])
    const parameters = this.objectAt(inner(place, "parameters"), data["parameters"])
    const template = this.find("template", data, place)
    if (template === undefined) return standIn(name)
    const use = { name: template.name, parameters: JSON.stringify(parameters) }
    const cycle = cycleTo(use, place.templates)
    if (cycle !== undefined) return missing(place, `template "${use.name}" leads to itself: ${cycle}`, name)
    const expanded = template.expand(parameters)
    if (Result.isFailure(expanded)) {
      for (const { message, path } of expanded.failure) place.report([...place.path, "parameters", ...path], message)
      return standIn(name)
    }
    const made = this.instance({ ...expanded.success, name: name === "" ? "?" : name }, madeBy(use, place))
    return name === "" ? standIn("?") : made
  }

  private ofPattern(data: Data, place: Place): Resolved {
    const name = this.nameAt(place, data)
    this.onlyFields(place, data, ["name", "pattern", "options", "slots"])
    const options = this.objectAt(inner(place, "options"), data["options"])
    const slots = this.objectAt(inner(place, "slots"), data["slots"])
    const pattern = this.find("pattern", data, place)
    const filled = Object.entries(slots).map(([slot, given]): readonly [string, Filled] => {
      const arity = pattern !== undefined && Object.hasOwn(pattern.slots, slot) ? pattern.slots[slot].arity : undefined
      return [slot, this.fill(arity ?? arityOf(given), given, inner(place, "slots", slot))]
    })
    if (pattern === undefined) return standIn(name)
    const parts = { options, slots: Object.fromEntries(filled.map(([slot, { value }]) => [slot, value])) }
    if (name === "" || filled.some(([, { isSound }]) => !isSound)) {
      this.report(place, pattern.inspect(parts))
      return standIn(name)
    }
    const made = pattern.makeUnknown(name, parts)
    if (Result.isSuccess(made)) return { agent: made.success, pattern, isSound: true }
    this.report(place, made.failure.issues)
    return standIn(name)
  }

  /** What has not the shape of its slot is left as it is: the pattern says what is wrong with it. */
  private fill(arity: Slot.Arity, given: unknown, place: Place): Filled {
    if (arity === "List" && Array.isArray(given)) {
      const members = given.map((one, index) => this.member(one, inner(place, index)))
      return { value: members.map(({ agent }) => agent), isSound: members.every(({ isSound }) => isSound) }
    }
    if (arity === "Record" && isData(given)) {
      const members = Object.entries(given).map(([key, one]) => [key, this.member(one, inner(place, key))] as const)
      return {
        value: Object.fromEntries(members.map(([key, { agent }]) => [key, agent])),
        isSound: members.every(([, { isSound }]) => isSound)
      }
    }
    if (arity === "One" && (typeof given === "string" || isData(given))) {
      const { agent, isSound } = this.member(given, place)
      return { value: agent, isSound }
    }
    return { value: Agent.isAgent(given) ? undefined : given, isSound: true }
  }

  private find<Kind extends "pattern" | "template">(
    kind: Kind,
    data: Data,
    place: Place
  ): (Kind extends "pattern" ? Pattern.Any : PatternTemplate.Any) | undefined {
    const all: ReadonlyMap<string, any> = kind === "pattern" ? this.known.patterns : this.known.templates
    const name = data[kind]
    const found = typeof name === "string" ? all.get(name) : undefined
    if (found !== undefined) return found
    const message = typeof name === "string" ? unknownName(kind, name, all.keys()) : `takes the name of a ${kind}`
    place.report([...place.path, kind], message)
    return undefined
  }

  private nameAt(place: Place, data: Data): string {
    const name = data["name"]
    if (typeof name === "string" && name !== "") return name
    place.report([...place.path, "name"], "takes the name of the instance")
    return ""
  }

  private objectAt(place: Place, value: unknown): Data {
    if (isData(value)) return value
    // An empty value in YAML is null.
    if (value !== undefined && value !== null) place.report(place.path, "takes an object")
    return {}
  }

  private onlyFields(place: Place, data: Data, fields: ReadonlyArray<string>): void {
    for (const field of Object.keys(data)) {
      if (!fields.includes(field)) place.report([...place.path, field], unknownName("field", field, fields))
    }
  }

  private report(place: Place, issues: ReadonlyArray<Issue>): void {
    for (const { message, path } of issues) place.report([...place.path, ...path], message)
  }
}
