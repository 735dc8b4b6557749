/** What agents declare of themselves, as far as names in data can be checked against it. */
import * as SchemaAST from "effect/SchemaAST"
import * as Agent from "../../core/Agent.ts"

type Properties = SchemaAST.Objects["propertySignatures"]

/** The structs that a value can be. `undefined`: it can be something else, or have more fields than are named. */
const structsOf = (ast: SchemaAST.AST): ReadonlyArray<Properties> | undefined => {
  switch (ast._tag) {
    case "Never":
      return []
    case "Objects":
      return ast.indexSignatures.length === 0 ? [ast.propertySignatures] : undefined
    case "Union":
      return allOf(ast.types, structsOf)
    case "Declaration":
      // A class stands for the struct of its fields.
      return ast.typeParameters.length === 1 ? structsOf(SchemaAST.toType(ast.typeParameters[0]!)) : undefined
    default:
      return undefined
  }
}

/** What is known of each of them, together. `undefined`: of one of them, nothing is. */
const allOf = <A, B>(
  all: ReadonlyArray<A>,
  f: (one: A) => ReadonlyArray<B> | undefined
): ReadonlyArray<B> | undefined => {
  const known = all.map(f)
  return known.every((some) => some !== undefined) ? known.flat() : undefined
}

const tagOf = (properties: Properties): ReadonlyArray<string> | undefined => {
  const type = properties.find(({ name }) => name === "_tag")?.type
  return type !== undefined && SchemaAST.isLiteral(type) ? [String(type.literal)] : undefined
}

/** Tags of the errors that these agents can fail with. `undefined`: one of them does not say. */
export const errorTags = (agents: ReadonlyArray<Agent.Any>): ReadonlyArray<string> | undefined =>
  allOf(agents, (agent) => {
    const errors = Agent.declarationOf(agent)?.errors
    const structs = errors === undefined ? undefined : structsOf(SchemaAST.toType(errors.ast))
    return structs === undefined ? undefined : allOf(structs, tagOf)
  })

/** Fields that the answers of these agents can have. `undefined`: one of them does not say. */
export const answerFields = (agents: ReadonlyArray<Agent.Any>): ReadonlyArray<string> | undefined =>
  allOf(agents, (agent) => {
    const output = Agent.declarationOf(agent)?.output
    const structs = output === undefined ? undefined : structsOf(SchemaAST.toType(output.ast))
    return structs?.flat().map(({ name }) => String(name))
  })
