/**
 * Programs of others that ours are measured against. They are no dependencies of Tutti: the first benchmark that asks for
 * one installs all of them, as locked, into this folder. So their types are written down here, as far as they are used.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const folder = import.meta.dirname

/** A prepared statement, if it has a name. */
export interface Query {
  readonly name?: string
  readonly text: string
  readonly values?: ReadonlyArray<unknown>
}

/** One connection of `pg`. */
export interface PgClient {
  readonly connect: () => Promise<unknown>
  readonly query: (query: Query | string) => Promise<{ readonly rows: ReadonlyArray<any> }>
  readonly end: () => Promise<void>
}

interface Pg {
  readonly default: { readonly Client: new (url: string) => PgClient }
}

/** Opens a connection of `pg`, the client that most programs on PostgreSQL use. */
export const connect = async (url: string): Promise<PgClient> => {
  const pg = await load<Pg>("pg")
  const client = new pg.default.Client(url)
  await client.connect()
  return client
}

export interface Dbos {
  readonly DBOS: {
    readonly setConfig: (config: {
      readonly name: string
      readonly systemDatabaseUrl: string
      readonly systemDatabasePoolSize: number
      readonly logLevel: string
      readonly runAdminServer: boolean
    }) => void
    readonly registerWorkflow: <In, Out>(
      run: (input: In) => Promise<Out>,
      options: { readonly name: string }
    ) => (input: In) => Promise<Out>
    readonly runStep: <A>(step: () => Promise<A>, options: { readonly name: string }) => Promise<A>
    readonly startWorkflow: <In, Out>(
      workflow: (input: In) => Promise<Out>,
      options: { readonly workflowID: string }
    ) => (input: In) => Promise<{ readonly getResult: () => Promise<Out> }>
    readonly launch: () => Promise<void>
    readonly shutdown: () => Promise<void>
  }
}

/** DBOS Transact: workflows whose steps are rows in PostgreSQL. */
export const dbos = (): Promise<Dbos> => load<Dbos>("@dbos-inc/dbos-sdk")

/** A message between agents of LangGraph. */
export interface Message {
  readonly getType: () => string
  readonly content: unknown
}

/** A graph that takes and gives messages. */
export interface CompiledGraph {
  readonly invoke: (state: {
    readonly messages: ReadonlyArray<Message>
  }) => Promise<{ readonly messages: Array<Message> }>
}

type ReactAgent = CompiledGraph & { readonly name: string }
type Compilable = { readonly compile: () => CompiledGraph }

/** LangGraph: agents as graphs of states, called through chat models. */
export interface LangGraph {
  readonly BaseChatModel: new (fields: object) => object
  readonly AIMessage: new (fields: string | object) => Message
  readonly HumanMessage: new (text: string) => Message
  readonly createReactAgent: (options: object) => ReactAgent
  readonly createSupervisor: (options: object) => Compilable
  readonly createSwarm: (options: object) => Compilable
  readonly createHandoffTool: (options: { readonly agentName: string }) => object
}

export const langGraph = async (): Promise<LangGraph> =>
  Object.assign(
    {},
    ...(await Promise.all([
      load("@langchain/core/language_models/chat_models"),
      load("@langchain/core/messages"),
      load("@langchain/langgraph/prebuilt"),
      load("@langchain/langgraph-supervisor"),
      load("@langchain/langgraph-swarm")
    ]))
  )

/** The version of a peer, for the head of a table. */
export const versionOf = (name: string): string => readJson(join(folder, "package.json")).dependencies[name]

const load = async <Module>(name: string): Promise<Module> => {
  if (!isInstalled()) install()
  const path = createRequire(join(folder, "package.json")).resolve(name)
  return import(pathToFileURL(path).href)
}

/** npm records what it installed in a lock file of its own. */
const isInstalled = (): boolean => {
  const record = join(folder, "node_modules", ".package-lock.json")
  if (!existsSync(record)) return false
  const installed = readJson(record).packages
  const wanted = Object.entries<any>(readJson(join(folder, "package-lock.json")).packages)
  return wanted.every(([name, { version }]) => name === "" || installed[name]?.version === version)
}

const install = (): void => {
  console.error("Installing what the benchmarks measure against with `npm ci` in bench/peers (once) ...")
  const { status } = spawnSync("npm ci --ignore-scripts --loglevel=error --no-fund --no-audit", {
    cwd: folder,
    shell: true,
    stdio: ["ignore", "ignore", "inherit"]
  })
  if (status !== 0) throw new Error("`npm ci` in bench/peers failed; its messages are above.")
}

const readJson = (path: string): any => JSON.parse(readFileSync(path, "utf8"))
