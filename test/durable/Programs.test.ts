/** One suite of programs, each primitive and each pattern at least once. */
import { everywhere } from "./everywhere.ts"
import { programs } from "./programs.ts"

for (const program of programs) everywhere(program)
