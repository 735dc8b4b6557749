/** LangGraph's supervisor and swarm at the same trivial work as ours: models that answer at once, from a script. */
import * as Peers from "./peers/peers.ts"

type Say = (messages: ReadonlyArray<Peers.Message>) => Peers.Message

/** Runs it once, and says whether it did what it should. */
export type Call = () => Promise<boolean>

const scripted = (lib: Peers.LangGraph) =>
  class Scripted extends lib.BaseChatModel {
    readonly say: Say
    constructor(say: Say) {
      super({})
      this.say = say
    }
    _llmType() {
      return "scripted"
    }
    bindTools() {
      return this
    }
    async _generate(messages: ReadonlyArray<Peers.Message>) {
      return { generations: [{ text: "", message: this.say(messages) }] }
    }
  }

const transfers = (lib: Peers.LangGraph) => {
  let calls = 0
  return (name: string) =>
    new lib.AIMessage({ content: "", tool_calls: [{ name, args: {}, id: String(++calls), type: "tool_call" }] })
}

const asks = (lib: Peers.LangGraph, graph: Peers.CompiledGraph, last: string): Call => {
  const input = { messages: [new lib.HumanMessage("hello")] }
  return async () => (await graph.invoke(input)).messages.at(-1)?.content === last
}

/** A supervisor hands to one of three workers, hears its answer, and ends: three calls of agents. */
export const supervisor = async (): Promise<Call> => {
  const lib = await Peers.langGraph()
  const Scripted = scripted(lib)
  const transfer = transfers(lib)
  const worker = (name: string) =>
    lib.createReactAgent({ llm: new Scripted(() => new lib.AIMessage("done")), tools: [], name, prompt: "Work." })
  const lead = new Scripted((messages) =>
    messages.some((message) => message.getType() === "tool") ? new lib.AIMessage("end") : transfer("transfer_to_alice")
  )
  const agents = ["alice", "bob", "carol"].map(worker)
  return asks(lib, lib.createSupervisor({ agents, llm: lead, prompt: "Route." }).compile(), "end")
}

/** One agent hands over to another, which answers: two calls of agents. */
export const swarm = async (): Promise<Call> => {
  const lib = await Peers.langGraph()
  const Scripted = scripted(lib)
  const transfer = transfers(lib)
  const alice = lib.createReactAgent({
    llm: new Scripted(() => transfer("transfer_to_bob")),
    tools: [lib.createHandoffTool({ agentName: "bob" })],
    name: "alice"
  })
  const bob = lib.createReactAgent({
    llm: new Scripted(() => new lib.AIMessage("done")),
    tools: [lib.createHandoffTool({ agentName: "alice" })],
    name: "bob"
  })
  return asks(lib, lib.createSwarm({ agents: [alice, bob], defaultActiveAgent: "alice" }).compile(), "done")
}
