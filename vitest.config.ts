import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

/** Tests import "tutti" as its users do, and get the sources. */
const conditions = ["tutti-source", "module", "node", "development|production"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["scripts/vitest.guard.ts", "test/servers/host.ts"],
    execArgv: ["--conditions=tutti-source", "--disable-warning=ExperimentalWarning"],
    // One worker a core: many tests wait for servers and clocks.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 30_000,
    hookTimeout: 30_000,
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      reporter: ["text-summary", "html"],
      thresholds: {
        lines: 90,
        functions: 90,
        statements: 90,
        branches: 90,
        // By their own tests alone, too: npm run coverage:hooks.
        "src/hooks/**": { lines: 95, functions: 95, statements: 95, branches: 95 }
      }
    }
  }
})
