/**
 * Packs the built package, installs it into an empty project as a stranger would, and uses it there: first without the
 * clients of databases, which are optional, then with them. Run after `npm run build`. Counts: `N passed, N failed` is the
 * last line.
 */
import { spawnSync } from "node:child_process"
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import manifest from "../package.json" with { type: "json" }

const root = join(import.meta.dirname, "..")
const project = mkdtempSync(join(tmpdir(), "tutti-consumer-"))
const environment = { ...process.env, PATH: [dirname(process.execPath), process.env["PATH"]].join(delimiter) }

const tryTo = (cwd: string, command: string) =>
  spawnSync(command, { cwd, encoding: "utf8", env: environment, shell: true })

const run = (cwd: string, command: string): string => {
  const { status, stderr, stdout } = tryTo(cwd, command)
  if (status !== 0) throw new Error(`\`${command}\` failed\n${stdout}${stderr}`)
  return stdout
}

const demand = (holds: boolean, sentence: string): void => {
  if (!holds) throw new Error(sentence)
}

interface PackedFile {
  readonly path: string
  readonly size: number
}

const pack = (): ReadonlyArray<PackedFile> => {
  const [packed] = JSON.parse(run(root, `npm pack --json --ignore-scripts --pack-destination "${project}"`))
  return packed.files
}

const allowed = /^(dist|src)\/|^(package\.json|README\.md|LICENSE|CHANGELOG\.md|MIGRATION_GUIDE\.md)$/

const checkContents = (): void => {
  const stray = files.filter(
    ({ path, size }) => !allowed.test(path) || /\.(test|tst)\.|fixtures/.test(path) || size > 2 ** 20
  )
  demand(stray.length === 0, `the tarball holds ${stray.map(({ path }) => path).join(", ")}`)
  const missing = ["LICENSE", "README.md", "dist/cli/main.js"].filter(
    (wanted) => !files.some(({ path }) => path === wanted)
  )
  demand(missing.length === 0, `the tarball lacks ${missing.join(", ")}`)
}

/** All modules, ours and others', that an entry point loads, as the bundler saw them. */
const reach = (entry: string): ReadonlyArray<string> => {
  const { outputs } = JSON.parse(readFileSync(join(root, "dist/metafile-esm.json"), "utf8"))
  const seen = new Set<string>()
  const visit = (output: string): ReadonlyArray<string> => {
    if (seen.has(output)) return []
    seen.add(output)
    const { imports, inputs } = outputs[output]
    return [
      ...Object.keys(inputs),
      ...imports.flatMap(({ external, path }: { external?: boolean; path: string }) =>
        external === true ? [path] : visit(path)
      )
    ]
  }
  return visit(entry)
}

const checkPurity = (entry: string, forbidden: RegExp): void => {
  const impure = reach(entry).filter((path) => forbidden.test(path))
  demand(impure.length === 0, `${entry} reaches ${impure.join(", ")}`)
}

type Dependency = keyof typeof manifest.devDependencies

/** Entry points that need the client of a database, and its package. */
const peers: ReadonlyMap<string, Dependency> = new Map([
  ["./postgres", "@effect/sql-pg"],
  ["./redis", "ioredis"]
])

const entries = Object.entries(manifest.exports).flatMap(([name, target]) =>
  typeof target === "string"
    ? []
    : [{ name, module: name.replace(".", manifest.name), output: target.default.slice(2) }]
)

/** Only what is imported dynamically, as by the command line, may be missing. */
const checkClients = (): void => {
  for (const { name, output } of entries) {
    const clients = reach(output).filter((path) => /^(@effect\/sql|ioredis)/.test(path))
    const others = clients.filter((path) => !peers.has(name) || !path.startsWith(peers.get(name)!))
    demand(others.length === 0, `${name} reaches ${others.join(", ")}`)
    demand(peers.has(name) === clients.length > 0, `${name} reaches no client`)
  }
}

const isInstalled = (name: string): boolean => existsSync(join(project, "node_modules", name))

const npmInstall = (packages: ReadonlyArray<string>): void => {
  run(project, `npm install --prefer-offline --no-audit --no-fund ${packages.join(" ")}`)
}

const pinned = (name: Dependency): string => `${name}@${manifest.devDependencies[name]}`

const install = (): void => {
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }))
  npmInstall([`./${manifest.name}-${manifest.version}.tgz`, pinned("effect"), pinned("typescript")])
  const strays = ["node", ".bin/node", "vitest", ...peers.values()].filter(isInstalled)
  demand(strays.length === 0, `a consumer receives ${strays.join(", ")}`)
}

interface Compilation {
  readonly name: string
  readonly module: string
  readonly moduleResolution: string
  readonly files: ReadonlyArray<string>
  readonly types: ReadonlyArray<string>
}

const compile = ({ files, module, moduleResolution, name, types }: Compilation): void => {
  const compilerOptions = {
    target: "ES2023",
    // Effect's declarations name types of the web: CryptoKey, JsonWebKey.
    lib: ["ES2023", "DOM", "DOM.Iterable"],
    module,
    moduleResolution,
    types,
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    outDir: "out"
  }
  const file = `tsconfig.${name}.json`
  writeFileSync(join(project, file), JSON.stringify({ compilerOptions, files }))
  run(project, `npx --no-install tsc -p ${file}`)
}

const nodeNext = { module: "NodeNext", moduleResolution: "NodeNext" }
const bundler = { module: "ESNext", moduleResolution: "Bundler" }
const without = { files: ["main.ts", "files.ts", "entries.ts"], types: [] }
const withPeers = { files: ["servers.ts"], types: ["node"] }

const writePrograms = (): void => {
  for (const name of ["main.ts", "files.ts", "servers.ts"]) {
    copyFileSync(join(root, "test/fixtures/consumer", name), join(project, name))
  }
  const loaded = entries
    .filter(({ name }) => !peers.has(name))
    .map(({ module }, index) => `export * as entry${index} from "${module}"`)
  writeFileSync(join(project, "entries.ts"), loaded.join("\n"))
}

const node = "node --disable-warning=ExperimentalWarning"

const demandOutput = (command: string, expected: string): void => {
  const output = run(project, command)
  demand(output === expected, `\`${command}\` printed ${JSON.stringify(output)}`)
}

const runPrograms = (): void => {
  demandOutput("node out/main.js", "Hello, world.\n")
  run(project, `${node} out/entries.js`)
}

const runFiles = (): void => {
  demandOutput(`${node} out/files.js`, "blue\n")
  const file = readFileSync(join(project, "documents/settings/colour.json"), "utf8")
  demand(file.includes("blue"), `the document's file holds ${file}`)
}

/** Each says which package is missing: to a program with Node's own error, on the command line with what to do. */
const checkMissing = (): void => {
  for (const [entry, client] of peers) {
    const program = `import("tutti${entry.slice(1)}").catch((error) => console.log(error.code, error.message))`
    const told = run(project, `${node} --input-type=module -e '${program}'`)
    demand(told.startsWith(`ERR_MODULE_NOT_FOUND Cannot find package '${client}'`), `tutti${entry.slice(1)}: ${told}`)
  }
  for (const [url, client] of [
    ["postgres://nobody@127.0.0.1:1/none", "@effect/sql-pg"],
    ["redis://127.0.0.1:1", "ioredis"]
  ]) {
    const { status, stderr } = tryTo(project, `npx --no-install tutti runs --db ${url}`)
    demand(status === 1 && stderr.includes(`npm install ${client}`), `tutti runs --db ${url}: ${status}, ${stderr}`)
  }
}

const installPeers = (): void => {
  npmInstall([...[...peers.values()].map(pinned), pinned("@types/node")])
  const missing = [...peers.values()].filter((name) => !isInstalled(name))
  demand(missing.length === 0, `${missing.join(", ")} did not install beside the package`)
}

const checkBinary = (): void => {
  const output = run(project, "npx --no-install tutti --help")
  demand(output.includes("tutti"), `tutti --help printed ${JSON.stringify(output)}`)
}

let passed = 0
let failed = 0
const test = (name: string, body: () => void): void => {
  try {
    body()
    passed++
    console.log(`ok     ${name}`)
  } catch (error) {
    failed++
    console.log(`FAILED ${name}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const files = pack()
test("the tarball holds the package and nothing else", checkContents)
test("the root entry reaches no infrastructure", () =>
  checkPurity("dist/index.js", /^src\/(testing|backends|cli|http)\/|^node:|^ioredis|^@effect\//))
test("tutti/memory reaches no database client", () =>
  checkPurity("dist/backends/Memory.js", /^src\/(testing|cli|http)\/|^node:sqlite|^ioredis|^@effect\//))
test("no entry point but two reaches a client", checkClients)
test("it installs into an empty project, without a Node and without clients of its own", install)
writePrograms()
test("a strict program compiles (NodeNext)", () => compile({ name: "nodenext", ...nodeNext, ...without }))
test("a strict program compiles (Bundler)", () => compile({ name: "bundler", ...bundler, ...without }))
test("the program runs without clients, and every entry point that needs none loads", runPrograms)
test("tutti/json-files keeps a document", runFiles)
test("tutti/postgres and tutti/redis name the client that is missing", checkMissing)
test("npx tutti --help runs", checkBinary)
test("the clients install beside it", installPeers)
test("a strict program on Postgres and Redis compiles (NodeNext)", () =>
  compile({ name: "servers", ...nodeNext, ...withPeers }))
test("a strict program on Postgres and Redis compiles (Bundler)", () =>
  compile({ name: "servers-bundler", ...bundler, ...withPeers }))
test("it runs, and the clients say that there is no server", () =>
  demandOutput(`${node} out/servers.js`, "EventStoreError\nEventStoreError\n"))
rmSync(project, { recursive: true })

console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
