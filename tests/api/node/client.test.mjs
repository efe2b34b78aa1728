// The official Node client against the server at API_URL, with the key API_KEY, which asks
// the scripted model server at MODEL_URL. tests/api/test_node.py runs this file.

import assert from "node:assert/strict";
import { File } from "node:buffer";
import { afterEach, test } from "node:test";

import OpenAI, { toFile } from "openai";

globalThis.File ??= File; // the client needs it for uploads, and Node 18 hides it

const { API_URL, API_KEY, MODEL_URL } = process.env;
const client = new OpenAI({ baseURL: API_URL, apiKey: API_KEY, maxRetries: 0 });
const { assistants, threads } = client.beta;
const { runs, messages } = threads;

const WEATHER = { id: "call_w", name: "weather", arguments: ['{"city":', '"Rome"}'] };
const NOW = { id: "call_n", name: "now" };
const CALLS = { tokens: 0, finish: "tool_calls", tool_calls: [WEATHER, NOW] };
const OUTPUTS = [
  { tool_call_id: "call_w", output: "sunny" },
  { tool_call_id: "call_n", output: "noon" },
];
const STALLED = { tokens: ["Half"], fault: "stall", after: 1 };

const SCRIPTS = MODEL_URL.replace("/v1", "/_script");

/** Tell the model server what to answer next. */
async function nextAnswer(script) {
  const answer = await fetch(SCRIPTS, { method: "POST", body: JSON.stringify(script) });
  assert.equal(answer.status, 200);
}

/** A run that ended before it was asked leaves its script, perhaps one that stalls. */
async function forgetAnswers() {
  const answer = await fetch(SCRIPTS, { method: "DELETE" });
  assert.equal(answer.status, 200);
}

const functionTool = (name) => ({ type: "function", function: { name } });

async function newAssistant(fields) {
  const tools = [functionTool("weather"), functionTool("now")];
  return (await assistants.create({ model: "scripted", tools, ...fields })).id;
}

const QUESTION = [{ role: "user", content: "Hello?" }];
let begun = [];

async function newThread() {
  const thread = (await threads.create({ messages: QUESTION })).id;
  begun.push(thread);
  return thread;
}

const EVENTS = [
  "connect", "runStepCreated", "runStepDelta", "runStepDone", "toolCallCreated",
  "toolCallDelta", "toolCallDone", "messageCreated", "messageDelta", "messageDone",
  "textCreated", "textDelta", "textDone", "end",
];

/** What the stream's helper calls back with: [name, first argument] in order. */
function listenedTo(stream) {
  const heard = [];
  for (const name of EVENTS) {
    stream.on(name, (what) => heard.push([name, structuredClone(what)]));
  }
  return heard;
}

const told = (heard, name) => heard.filter(([n]) => n === name).map(([, what]) => what);
const textOf = (message) => message.content[0].text.value;

async function collected(pages, enough = Infinity) {
  const found = [];
  for await (const one of pages) {
    found.push(one);
    if (found.length >= enough) break;
  }
  return found;
}

/** The error that the client makes of the answer. */
async function failed(promise, kind, status) {
  const error = await promise.then(
    () => assert.fail("It should have failed."),
    (reason) => reason,
  );
  assert.ok(error instanceof kind, `${error}`);
  assert.equal(error.status, status);
  assert.match(error.requestID, /^req_/);
  return error;
}

afterEach(async () => {
  const threadsOfTest = begun;
  begun = [];
  for (const thread of threadsOfTest) await threads.delete(thread); // ends runs, too
  await forgetAnswers();
});

const check = (name, body) => test(name, { timeout: 15_000 }, body);

check("assistants are created, read, listed, changed and deleted", async () => {
  const made = await assistants.create({
    model: "scripted",
    name: "Node",
    instructions: "Be brief.",
    tools: [functionTool("weather"), { type: "code_interpreter" }],
    metadata: { of: "node" },
  });
  assert.match(made.id, /^asst_/);
  assert.deepEqual(await assistants.retrieve(made.id), made);

  const changed = await assistants.update(made.id, { name: "Deno" });
  assert.equal(changed.name, "Deno");
  assert.equal(changed.instructions, "Be brief.");
  const listed = await assistants.list({ limit: 100 });
  assert.deepEqual(listed.data.find((one) => one.id === made.id), changed);

  const gone = await assistants.delete(made.id);
  assert.deepEqual(gone, { id: made.id, object: "assistant.deleted", deleted: true });
  await failed(assistants.retrieve(made.id), OpenAI.NotFoundError, 404);
});

check("threads are created, read, changed and deleted", async () => {
  const made = await threads.create({ messages: QUESTION, metadata: { of: "node" } });
  assert.match(made.id, /^thread_/);
  assert.deepEqual(await threads.retrieve(made.id), made);

  const changed = await threads.update(made.id, { metadata: { of: "deno" } });
  assert.deepEqual(changed.metadata, { of: "deno" });

  const gone = await threads.delete(made.id);
  assert.deepEqual(gone, { id: made.id, object: "thread.deleted", deleted: true });
  await failed(threads.retrieve(made.id), OpenAI.NotFoundError, 404);
});

check("messages are created, read, changed and deleted", async () => {
  const thread_id = await newThread();
  const content = [{ type: "text", text: "More." }];
  const made = await messages.create(thread_id, { role: "user", content });
  assert.deepEqual(made.content, [
    { type: "text", text: { value: "More.", annotations: [] } },
  ]);
  assert.deepEqual(await messages.retrieve(made.id, { thread_id }), made);

  const change = { thread_id, metadata: { of: "node" } };
  assert.deepEqual((await messages.update(made.id, change)).metadata, { of: "node" });

  const gone = await messages.delete(made.id, { thread_id });
  assert.equal(gone.object, "thread.message.deleted");
  assert.equal((await messages.list(thread_id)).data.length, 1);
});

check("a list goes on from page to page until its end", async () => {
  const words = Array.from({ length: 7 }, (_, number) => `word ${number}`);
  const sent = words.map((content) => ({ role: "user", content }));
  const thread = (await threads.create({ messages: sent })).id;

  const all = await collected(messages.list(thread, { limit: 3, order: "asc" }));
  assert.deepEqual(all.map(textOf), words);
  const newest = await collected(messages.list(thread, { limit: 3 }), 4);
  assert.deepEqual(newest.map(textOf), words.slice(3).reverse());

  const first = await messages.list(thread, { limit: 3, order: "asc" });
  assert.ok(first.hasNextPage());
  const second = await first.getNextPage();
  assert.deepEqual(second.data.map(textOf), words.slice(3, 6));
});

check("createAndPoll comes back with the answered run", async () => {
  const thread = await newThread();
  const run = await runs.createAndPoll(thread, { assistant_id: await newAssistant() });

  assert.equal(run.status, "completed");
  assert.equal(run.usage.total_tokens, 18);
  const answer = (await messages.list(thread, { run_id: run.id })).data;
  assert.deepEqual(answer.map(textOf), ["Hello, world!"]);
  const steps = await collected(runs.steps.list(run.id, { thread_id: thread }));
  assert.equal(steps[0].step_details.message_creation.message_id, answer[0].id);
  const path = { thread_id: thread, run_id: run.id };
  assert.deepEqual(await runs.steps.retrieve(steps[0].id, path), steps[0]);
  assert.deepEqual((await runs.list(thread)).data.map((one) => one.id), [run.id]);
  const change = { thread_id: thread, metadata: { of: "node" } };
  assert.deepEqual((await runs.update(run.id, change)).metadata, { of: "node" });
});

check("stream() calls every handler of an answer in text", async () => {
  await nextAnswer({ tokens: ["Hel", "lo"], pace: 10 });
  const assistant_id = await newAssistant();
  const stream = runs.stream(await newThread(), { assistant_id });
  const heard = listenedTo(stream);
  const seen = (await collected(stream)).map((event) => event.event);

  const run = await stream.finalRun();
  assert.equal(run.status, "completed");
  assert.equal(seen[0], "thread.run.created");
  assert.equal(seen.at(-1), "thread.run.completed");
  const order = heard.map(([name]) => name).filter((name, at, all) => name !== all[at - 1]);
  assert.deepEqual(order.slice(0, 4), [
    "connect", "runStepCreated", "messageCreated", "textCreated",
  ]);
  assert.deepEqual(order.slice(-4), ["textDone", "messageDone", "runStepDone", "end"]);
  assert.equal(told(heard, "textDelta").map((delta) => delta.value).join(""), "Hello");
  assert.deepEqual(told(heard, "textDone"), [{ value: "Hello", annotations: [] }]);

  const [message] = told(heard, "messageDone");
  const stored = await messages.retrieve(message.id, { thread_id: run.thread_id });
  assert.deepEqual(message, stored);
  assert.equal(textOf((await stream.finalMessages())[0]), "Hello");
  assert.equal((await stream.finalRunSteps())[0].status, "completed");
});

check("createAndRunStream tells of the new thread first", async () => {
  const thread = { messages: QUESTION };
  const assistant_id = await newAssistant();
  const stream = threads.createAndRunStream({ assistant_id, thread });
  const events = await collected(stream);

  assert.equal(events[0].event, "thread.created");
  const run = await stream.finalRun();
  assert.equal(run.thread_id, events[0].data.id);
  assert.equal(textOf((await stream.finalMessages())[0]), "Hello, world!");
});

check("createAndRunPoll answers in a new thread", async () => {
  const thread = { messages: QUESTION };
  const assistant_id = await newAssistant();
  const run = await threads.createAndRunPoll({ assistant_id, thread });

  assert.equal(run.status, "completed");
  assert.equal((await messages.list(run.thread_id)).data.length, 2);
});

check("create with stream: true gives the plain events", async () => {
  const body = { assistant_id: await newAssistant(), stream: true };
  const events = await collected(await runs.create(await newThread(), body));

  assert.equal(events[0].event, "thread.run.created");
  assert.equal(events.at(-1).event, "thread.run.completed");
});

check("functions are called and answered by polling", async () => {
  await nextAnswer(CALLS);
  const thread_id = await newThread();
  const assistant_id = await newAssistant();
  const waiting = await runs.createAndPoll(thread_id, { assistant_id });

  assert.equal(waiting.status, "requires_action");
  const calls = waiting.required_action.submit_tool_outputs.tool_calls;
  assert.deepEqual(calls.map((call) => call.id), ["call_w", "call_n"]);
  assert.equal(calls[0].function.arguments, '{"city":"Rome"}');
  const outputs = { thread_id, tool_outputs: OUTPUTS };
  const run = await runs.submitToolOutputsAndPoll(waiting.id, outputs);
  assert.equal(run.status, "completed");
  const steps = (await runs.steps.list(run.id, { thread_id, order: "asc" })).data;
  const answered = steps[0].step_details.tool_calls.map((call) => call.function.output);
  assert.deepEqual(answered, ["sunny", "noon"]);
});

check("functions are called and answered in streams", async () => {
  await nextAnswer(CALLS);
  const thread_id = await newThread();
  const asking = runs.stream(thread_id, { assistant_id: await newAssistant() });
  const heard = listenedTo(asking);
  const waiting = await asking.finalRun();

  assert.equal(waiting.status, "requires_action");
  const created = told(heard, "toolCallCreated");
  assert.deepEqual(created.map((call) => call.function.name), ["weather", "now"]);
  const pieces = told(heard, "toolCallDelta").filter((delta) => delta.index === 0);
  const whole = pieces.map((delta) => delta.function.arguments).join("");
  assert.equal(whole, '{"city":"Rome"}');
  assert.equal(told(heard, "toolCallDone")[0].function.arguments, '{"city":"Rome"}');

  const outputs = { thread_id, tool_outputs: OUTPUTS };
  const answering = runs.submitToolOutputsStream(waiting.id, outputs);
  const [step] = await answering.finalRunSteps();
  assert.deepEqual(
    step.step_details.tool_calls.map((call) => call.function.output),
    ["sunny", "noon"],
  );
  assert.equal((await answering.finalRun()).status, "completed");
  assert.equal(textOf((await answering.finalMessages())[0]), "Hello, world!");
});

check("a stream of a run that is cancelled ends with what was written", async () => {
  await nextAnswer(STALLED);
  const thread_id = await newThread();
  const stream = runs.stream(thread_id, { assistant_id: await newAssistant() });
  const heard = listenedTo(stream);
  stream.once("textDelta", () => runs.cancel(stream.currentRun().id, { thread_id }));

  assert.equal((await stream.finalRun()).status, "cancelled");
  const [message] = told(heard, "messageDone");
  assert.equal(textOf(message), "Half");
  assert.deepEqual(message.incomplete_details, { reason: "run_cancelled" });
});

check("a stream of a run that fails ends with the failed run", async () => {
  await nextAnswer({ tokens: ["Half"], fault: "eof", after: 1 });
  const assistant_id = await newAssistant();
  const stream = runs.stream(await newThread(), { assistant_id });

  const run = await stream.finalRun();
  assert.equal(run.status, "failed");
  assert.equal(run.last_error.code, "server_error");
});

check("a stream may be left without ending its run", async () => {
  await nextAnswer({ tokens: ["One ", "two"], pace: 3 });
  const thread_id = await newThread();
  const stream = runs.stream(thread_id, { assistant_id: await newAssistant() });
  await collected(stream, 1);
  assert.ok(stream.controller.signal.aborted);

  const [left] = (await runs.list(thread_id)).data;
  const run = await runs.poll(left.id, { thread_id });
  assert.equal(run.status, "completed");
});

check("errors say their status, code and parameter", async () => {
  const { AuthenticationError, BadRequestError, NotFoundError } = OpenAI;
  const metadata = { key: 5 };
  const invalid = await failed(threads.create({ metadata }), BadRequestError, 400);
  assert.equal(invalid.code, "invalid_type");
  assert.equal(invalid.param, "metadata.key");
  assert.equal(invalid.type, "invalid_request_error");
  assert.match(invalid.message, /expected a string, but got an integer/);

  const absent = await failed(threads.retrieve("thread_x"), NotFoundError, 404);
  assert.match(absent.message, /No thread found with id 'thread_x'\./);
  const stranger = client.withOptions({ apiKey: "tm_wrong" });
  const refused = stranger.beta.threads.create();
  const error = await failed(refused, AuthenticationError, 401);
  assert.equal(error.code, "invalid_api_key");
});

check("an active run keeps its thread", async () => {
  await nextAnswer(STALLED);
  const thread = await newThread();
  const assistant_id = await newAssistant();
  const run = await runs.create(thread, { assistant_id });

  const second = runs.create(thread, { assistant_id });
  const busy = await failed(second, OpenAI.BadRequestError, 400);
  assert.match(busy.message, new RegExp(`already has an active run ${run.id}`));
  const more = messages.create(thread, QUESTION[0]);
  await failed(more, OpenAI.BadRequestError, 400);
});

check("files are uploaded, listed, read and deleted", async () => {
  const file = await toFile(Buffer.from("Wörter"), "notes.txt");
  const made = await client.files.create({ file, purpose: "assistants" });
  assert.equal(made.filename, "notes.txt");
  assert.equal(made.bytes, 7);
  assert.deepEqual(await client.files.retrieve(made.id), made);
  const listed = await collected(client.files.list({ limit: 1, purpose: "assistants" }));
  assert.ok(listed.some((one) => one.id === made.id));

  const content = await client.files.content(made.id);
  assert.equal(await content.text(), "Wörter");
  assert.equal((await client.files.delete(made.id)).deleted, true);
  await failed(client.files.retrieve(made.id), OpenAI.NotFoundError, 404);
});

check("the models of the servers are listed", async () => {
  const found = await collected(client.models.list());
  assert.ok(found.length > 0);
  assert.equal((await client.models.retrieve(found[0].id)).object, "model");
});
