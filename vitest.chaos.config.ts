import { defineConfig, mergeConfig } from "vitest/config"
import base from "./vitest.config.ts"

/**
 * `npm run test:chaos`: faults on real servers. `CHAOS_ROUNDS` says how often each strikes.
 *
 * Each test has a server of its own and spends its time waiting for it, so several go on at once.
 */
export default mergeConfig(
  { ...base, test: { ...base.test, include: [] } },
  defineConfig({
    test: {
      include: ["test/chaos/**/*.chaos.ts"],
      maxWorkers: 4,
      maxConcurrency: 4,
      sequence: { concurrent: true },
      testTimeout: 600_000,
      hookTimeout: 60_000,
      // The warnings of a store whose server is gone.
      silent: "passed-only"
    }
  })
)
